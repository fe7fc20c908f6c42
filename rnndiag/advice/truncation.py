"""How far back to propagate: a first estimate from the trace alone, without data or loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rnndiag.analysis import LayerResult
from rnndiag.cells.base import FloatArray
from rnndiag.measure.drive_trace import DriveTrace

DEFAULT_BIAS = 0.1
"""Relative bias of the gradient that is accepted: a tenth."""

TruncationStatus = Literal[
    "heuristic", "longer-than-tested", "chaotic", "bidirectional", "nothing-traced"
]

GROWING = {"growing", "exploding"}
"""Verdicts of a drive under which gradients grow with every step back."""


@dataclass(frozen=True)
class TruncationAdvice:
    """A number of lags, as a sliding window and as a chunk, or the reason there is none."""

    status: TruncationStatus
    """heuristic: estimated from random loss gradients; longer-than-tested: the window was too short
    to say; chaotic: gradients grow, so the length is capped at ln 2/rate; bidirectional: the
    reverse direction starts at the end of the sequence, so there is nothing to truncate."""

    bias: float
    """Relative bias aimed at."""

    lags: int | None = None
    """K: lags 0 … K−1 of every loss are kept."""

    chunk: int | None = None
    """Detaching every so many steps has the same bias; of a chaotic network the cap itself."""

    layer: str = ""
    """The layer that needs the most lags; it decides for all."""

    drive: str = ""

    @property
    def window(self) -> tuple[int, int] | None:
        """(k1, k2) of Williams & Peng 1990: every k1 steps, back k2 = K + k1 − 1 steps."""
        return None if self.lags is None else (self.lags, 2 * self.lags - 1)


def advise_truncation(
    layers: Sequence[LayerResult], bias: float = DEFAULT_BIAS
) -> TruncationAdvice:
    """The advice for the layer that needs the longest window; for a chaotic one, the shortest."""
    traced = [item for item in layers if item.trace is not None]
    if any(item.layer.direction == "reverse" for item in traced):
        return TruncationAdvice("bidirectional", bias)
    advices = [advice for item in traced if (advice := _of_layer(item, bias)) is not None]
    if not advices:
        return TruncationAdvice("nothing-traced", bias)
    chaotic = [advice for advice in advices if advice.status == "chaotic"]
    if chaotic:
        return min(chaotic, key=lambda advice: advice.lags or 0)
    return max(advices, key=_needed)


def _needed(advice: TruncationAdvice) -> float:
    return math.inf if advice.lags is None else advice.lags


def _of_layer(item: LayerResult, bias: float) -> TruncationAdvice | None:
    """Chaotic only if every deciding drive says so: one alone may be chance (see RD301)."""
    deciding = [drive for drive in item.trace.drives if drive.deciding] if item.trace else []
    label = item.layer.label
    if all(drive.verdict in GROWING for drive in deciding):
        return min((_cap(label, drive, bias) for drive in deciding), key=_needed)
    decaying = [drive for drive in deciding if drive.verdict not in GROWING]
    advices = [_of_curve(label, drive, bias) for drive in decaying]
    return max((advice for advice in advices if advice is not None), key=_needed, default=None)


def _cap(label: str, drive: DriveTrace, bias: float) -> TruncationAdvice:
    """ln 2/rate of a growing gradient (Mikhaeil, Monfared & Durstewitz 2022)."""
    rate = drive.decay.rate_per_step
    lags = max(1, int(math.log(2) / rate)) if rate is not None and rate > 0.0 else 1
    if lags >= len(drive.log10_gradient_norm) - 1:
        return TruncationAdvice("longer-than-tested", bias, layer=label, drive=drive.drive)
    return TruncationAdvice("chaotic", bias, lags, lags, label, drive.drive)


def _of_curve(label: str, drive: DriveTrace, bias: float) -> TruncationAdvice | None:
    """The estimate from one drive; None where the gradient is zero at every lag.

    An LSTM's parameters see ∂L/∂c, which lasts longer than ∂L/∂h: the worse of both counts.
    """
    curves = [drive.log10_gradient_norm]
    if drive.log10_cell_gradient_norm is not None:
        curves.append(drive.log10_cell_gradient_norm)
    sizes = [10.0 ** (curve - curve.max()) for curve in curves if np.isfinite(curve.max())]
    if not sizes:
        return None
    if max(size[-1] for size in sizes) > bias / 10:
        return TruncationAdvice("longer-than-tested", bias, layer=label, drive=drive.drive)
    sliding = np.max([sliding_bias(size) for size in sizes], axis=0)
    lags, chunk = lags_for(sliding, bias), chunk_for(sliding, bias)
    return TruncationAdvice("heuristic", bias, lags, chunk, label, drive.drive)


def sliding_bias(sizes: FloatArray) -> FloatArray:
    """Relative bias when K lags are kept, K = 0 … steps, if every lag's share had one direction.

    sizes: gradient sizes by lag, shape (steps + 1,); the tail's share Σ_{k ≥ K} φ_k / Σ φ_k
    (Aicher, Foti & Fox 2019). For φ_k = βᵏ it is βᴷ.

    >>> sliding_bias(np.array([1.0, 0.5, 0.25, 0.25]))
    array([1.   , 0.5  , 0.25 , 0.125])
    """
    tail = np.cumsum(sizes[::-1])[::-1]
    return np.asarray(tail / tail[0])


def lags_for(sliding: FloatArray, bias: float) -> int:
    """The smallest K at and after which the bias stays at or below the target."""
    above = np.flatnonzero(sliding > bias)
    return max(1, int(above[-1]) + 1) if above.size else 1


def chunk_for(sliding: FloatArray, bias: float) -> int:
    """The smallest C for which detaching every C steps has at most this bias.

    A loss j steps after the detach sees j lags, so the bias is the mean of the sliding one over
    j = 1 … C: for φ_k = βᵏ it is β(1 − βᶜ)/(C(1 − β)).
    """
    by_lag = sliding[1:]
    means = np.cumsum(by_lag) / np.arange(1, len(by_lag) + 1)
    below = np.flatnonzero(means <= bias)
    if below.size:
        return int(below[0]) + 1
    # Beyond the window nothing is left to lose: the sum stays, the mean falls as 1/C.
    return math.ceil(float(by_lag.sum()) / bias)
