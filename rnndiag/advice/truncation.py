"""How far back to propagate: a first estimate from the trace alone, without data or loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rnndiag.analysis import LayerResult
from rnndiag.cells.base import FloatArray
from rnndiag.measure.trace import DriveTrace

DEFAULT_BIAS = 0.1
"""Relative bias of the gradient that is accepted: a tenth."""

TruncationStatus = Literal["heuristic", "longer-than-tested", "chaotic", "nothing-traced"]


@dataclass(frozen=True)
class TruncationAdvice:
    """A number of lags, as a sliding window and as a chunk, or the reason there is none."""

    status: TruncationStatus
    """heuristic: estimated from random loss gradients; longer-than-tested: the window was too short
    to say; chaotic: gradients grow, so the length is capped at ln 2/rate."""

    bias: float
    """Relative bias aimed at."""

    lags: int | None = None
    """K: lags 0 … K−1 of every loss are kept."""

    window: tuple[int, int] | None = None
    """(k1, k2) of Williams & Peng 1990: every k1 steps, back k2 = K + k1 − 1 steps."""

    chunk: int | None = None
    """Detaching every so many steps has the same bias."""

    layer: str = ""
    """The layer that needs the most lags; it decides for all."""

    drive: str = ""


def advise_truncation(
    layers: Sequence[LayerResult], bias: float = DEFAULT_BIAS
) -> TruncationAdvice:
    """The advice for the layer and deciding drive that need the longest window."""
    advices = [
        _of_curve(item, drive, bias)
        for item in layers
        if item.trace is not None
        for drive in item.trace.drives
        if drive.deciding
    ]
    if not advices:
        return TruncationAdvice("nothing-traced", bias)
    chaotic = [advice for advice in advices if advice.status == "chaotic"]
    if chaotic:
        return min(chaotic, key=lambda advice: advice.lags or 0)
    return max(advices, key=lambda a: math.inf if a.lags is None else a.lags)


def _of_curve(item: LayerResult, drive: DriveTrace, bias: float) -> TruncationAdvice:
    label = item.layer.label
    decay = drive.decay
    if decay.rate_ci95 is not None and decay.rate_ci95[0] > 0.0 and decay.rate_per_step:
        lags = max(1, int(math.log(2) / decay.rate_per_step))
        window = (lags, 2 * lags - 1)
        return TruncationAdvice("chaotic", bias, lags, window, None, label, drive.drive)
    sizes = 10.0 ** np.clip(drive.log10_gradient_norm, -300, 300)
    if sizes[-1] > bias / 10 * sizes.max():
        return TruncationAdvice("longer-than-tested", bias, layer=label, drive=drive.drive)
    sliding = sliding_bias(sizes)
    lags = lags_for(sliding, bias)
    return TruncationAdvice(
        status="heuristic",
        bias=bias,
        lags=lags,
        window=(lags, 2 * lags - 1),
        chunk=chunk_for(sliding, bias),
        layer=label,
        drive=drive.drive,
    )


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
