"""How far back to propagate: what every length costs, measured, and which of them to take."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np

from rnndiag.advice.lengths import chunk_for, lags_for
from rnndiag.advice.present import PresentTruncation, judge_present
from rnndiag.analysis import LayerResult
from rnndiag.measure.drive_trace import DriveTrace
from rnndiag.measure.truncation import TruncationCurves
from rnndiag.measure.verdict import surely_grows
from rnndiag.recognise.layers import ROOT
from rnndiag.recognise.settings import Setting

DEFAULT_BIAS = 0.1
"""Relative bias of the gradient that is accepted: a tenth, as Aicher, Foti & Fox 2019 take it."""

REMAINING = 0.1
"""Of the accepted bias: where the gradient at the last lag is more than this part of the largest
one, what lies beyond the window may matter as much as what is cut within it."""

TruncationStatus = Literal[
    "measured",
    "heuristic",
    "longer-than-tested",
    "chaotic",
    "bidirectional",
    "zero-gradient",
    "nothing-traced",
]

Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class TruncationEvidence:
    """What a number of lags costs, and how sure that is."""

    bias: float
    """Relative bias of the gradient with so many lags."""

    cosine: float
    """Of the angle between that gradient and the whole one."""

    half_lags: tuple[int, int] | None
    """The lags that either half of the samples asks for, the smaller first; None for one sample."""

    half_bias: tuple[float, float] | None
    """The bias in either half, the smaller first."""

    half_cosine: tuple[float, float] | None
    """The cosine in either half, the smaller first."""

    loss_steps: tuple[int, int] | None = None
    """Of a recorded loss: at how many of its steps it was followed back, and how many it has."""


@dataclass(frozen=True)
class TruncationAdvice:
    """A number of lags, as a sliding window and as a chunk, or the reason there is none."""

    status: TruncationStatus
    """measured: on the user's inputs and loss; heuristic: on inputs or loss gradients that were
    made up; longer-than-tested: the window was too short to say; chaotic: gradients grow, so the
    length is capped at ln 2/rate; bidirectional: all modules are, and a reverse direction starts
    at the end of the sequence, so there is nothing to truncate; zero-gradient: no parameter has one
    at any lag."""

    bias: float
    """Relative bias aimed at."""

    lags: int | None = None
    """K: lags 0 … K−1 of every loss are kept."""

    chunk: int | None = None
    """Detaching every so many steps has the same bias; of a chaotic network the cap itself."""

    layer: str = ""
    """The module that needs the most lags; where one is capped, the layer that asks for it."""

    drive: str = ""

    unknown: tuple[str, ...] = ()
    """What was made up for lack of data: "loss", "inputs"."""

    curves: TruncationCurves | None = None
    """Bias and cosine of every length, of that module under that drive."""

    evidence: TruncationEvidence | None = None
    """What `lags` costs."""

    present: PresentTruncation | None = None
    """What the setting in use costs, where one is known."""

    both_ways: tuple[str, ...] = ()
    """Bidirectional modules, which the length is not for."""

    @property
    def window(self) -> tuple[int, int] | None:
        """(k1, k2) of Williams & Peng 1990: every k1 steps, back k2 = K + k1 − 1 steps."""
        return None if self.lags is None else (self.lags, 2 * self.lags - 1)

    @property
    def bias_at(self) -> float | None:
        """The bias with that number of lags."""
        return None if self.evidence is None else self.evidence.bias

    @property
    def cosine_at(self) -> float | None:
        """The cosine with that number of lags."""
        return None if self.evidence is None else self.evidence.cosine


def advise_truncation(
    layers: Sequence[LayerResult], bias: float = DEFAULT_BIAS, setting: Setting | None = None
) -> TruncationAdvice:
    """The advice for the module that needs the most lags; where one is capped, for the shortest.

    `setting`: the truncation in use, to be judged by what it costs that module.
    """
    traced = [item for item in layers if item.trace is not None]
    both_ways = {item.layer.name for item in traced if item.layer.direction == "reverse"}
    names = dict.fromkeys(item.layer.name for item in traced if item.layer.name not in both_ways)
    modules = [[item for item in traced if item.layer.name == name] for name in names]
    advices = [advice for items in modules for advice in _of_module(items, bias)]
    if not advices:
        status: TruncationStatus = "bidirectional" if both_ways else "nothing-traced"
        status = "zero-gradient" if names else status
        return TruncationAdvice(status, bias, both_ways=_shown(both_ways))
    capped = [advice for advice in advices if advice.status == "chaotic"]
    chosen = min(capped, key=_needed) if capped else max(advices, key=_needed)
    advice = replace(chosen, both_ways=_shown(both_ways))
    if setting is None or advice.curves is None:
        return advice
    beyond = advice.status in {"longer-than-tested", "chaotic"}
    return replace(advice, present=judge_present(setting, advice.curves, beyond))


def _shown(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(name or ROOT for name in names))


def _needed(advice: TruncationAdvice) -> float:
    return math.inf if advice.lags is None else advice.lags


def _of_module(items: Sequence[LayerResult], bias: float) -> Iterator[TruncationAdvice]:
    """Of every drive; capped only if gradients grow under all: one alone may be chance (RD301)."""
    by_drive = [_Case(items, number, bias) for number in _deciding(items[0])]
    calm = [case for case in by_drive if not case.growing]
    if not calm:
        yield min((case.cap() for case in by_drive), key=_needed)
    for case in [case for case in calm if not case.undriven] or calm:
        advice = case.advice()
        if advice is not None:
            yield advice


def _deciding(item: LayerResult) -> list[int]:
    drives = item.trace.drives if item.trace else ()
    return [number for number, drive in enumerate(drives) if drive.deciding]


class _Case:
    """One module under one deciding drive."""

    def __init__(self, items: Sequence[LayerResult], number: int, bias: float) -> None:
        self._layers = {item.layer.label: item.trace.drives[number] for item in items if item.trace}
        self._drive = next(iter(self._layers.values()))
        biases = [bias for item in items for bias in (item.layer.bias_ih, item.layer.bias_hh)]
        self._biases = any(bias is not None for bias in biases)
        self._gram = self._drive.lag_gram
        self._bare = TruncationAdvice(
            "heuristic",
            bias,
            layer=items[0].layer.name or ROOT,
            drive=self._drive.drive,
            unknown=_unknown(self._drive),
            curves=None if self._gram is None else TruncationCurves(self._gram.whole),
        )

    @property
    def growing(self) -> list[str]:
        """Labels of the layers whose gradients grow with every step back."""
        return [name for name, drive in self._layers.items() if surely_grows(drive.decay)]

    @property
    def undriven(self) -> bool:
        """Whether nothing but the initial state, which dies away, has a part in the gradient.

        Without input and biases h_t is the larger the earlier, and ∂L/∂h the smaller: their product
        is the same at every lag, however little is left of either.
        """
        return self._drive.drive == "zero" and not self._biases

    def cap(self) -> TruncationAdvice:
        """ln 2/rate of the fastest growing layer (Mikhaeil, Monfared & Durstewitz 2022)."""
        caps = {name: _cap(self._layers[name]) for name in self.growing}
        layer = min(caps, key=lambda name: caps[name])
        lags, tested = caps[layer], len(self._layers[layer].log10_gradient_norm) - 1
        advice = replace(self._bare, layer=layer)
        if lags >= tested:
            return replace(advice, status="longer-than-tested")
        return replace(
            advice, status="chaotic", lags=lags, chunk=lags, evidence=self._evidence(lags)
        )

    def advice(self) -> TruncationAdvice | None:
        """The measured length; None where the gradient is zero at every lag."""
        curves, bias = self._bare.curves, self._bare.bias
        if curves is None or curves.is_zero:
            return None
        if self._remaining(curves) > REMAINING * bias:
            return replace(self._bare, status="longer-than-tested")
        lags = lags_for(curves.sliding.bias, bias)
        return replace(
            self._bare,
            status="heuristic" if self._bare.unknown else "measured",
            lags=lags,
            chunk=chunk_for(curves.chunk.bias, bias),
            evidence=self._evidence(lags),
        )

    def _remaining(self, curves: TruncationCurves) -> float:
        """The gradient at the last lag over the largest one: ∂L/∂h of any layer, and parameters'.

        ∂L/∂c of an LSTM does not count by itself: in saturated cells it lasts, and reaches nothing.
        """
        states = [drive.log10_gradient_norm[: curves.lags + 1] for drive in self._layers.values()]
        parts = [10.0 ** (curve[-1] - curve.max()) for curve in states if curve.max() > -math.inf]
        sizes = np.sqrt(curves.gram.diagonal())
        return float(max(*parts, sizes[-1] / sizes.max()))

    def _evidence(self, lags: int) -> TruncationEvidence | None:
        if self._gram is None or self._bare.curves is None:
            return None
        whole = self._bare.curves.keeping_lags(lags)
        halves = [TruncationCurves(half) for half in self._gram.halves]
        each = [half.keeping_lags(lags) for half in halves]
        return TruncationEvidence(
            float(whole.bias),
            float(whole.cosine),
            _range([lags_for(half.sliding.bias, self._bare.bias) for half in halves]),
            _range([float(half.bias) for half in each]),
            _range([float(half.cosine) for half in each]),
            self._gram.loss_steps,
        )


def _range(values: Sequence[Number]) -> tuple[Number, Number] | None:
    """Smallest and largest; None of nothing."""
    return (min(values), max(values)) if values else None


DATA = {"given", "probe"}
"""Drives that are the user's own inputs."""


def _unknown(drive: DriveTrace) -> tuple[str, ...]:
    """What stands in for data the user did not give."""
    random_loss = drive.lag_gram is None or drive.lag_gram.independent
    return tuple(
        what
        for what, made_up in (("loss", random_loss), ("inputs", drive.drive not in DATA))
        if made_up
    )


def _cap(drive: DriveTrace) -> int:
    rate = drive.decay.rate_per_step
    return max(1, int(math.log(2) / rate)) if rate is not None and rate > 0.0 else 1
