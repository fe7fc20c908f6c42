"""A loss or a gradient norm that `rnndiag.capture` recorded is NaN or infinite.

Whatever the recurrence does, such a step puts NaN into every weight, unless something skips it. A
loss scaler does: it begins with a factor that overflows, and halves it until none does. So where
one was given to `capture`, norms alone are no finding as long as at least one of them is finite.

Sequences of such a step are left out of the trace; those of the other steps are judged.

Remedy: `torch.autograd.set_detect_anomaly(True)` names the operation that first gave NaN. Clipping
does not help against it: NaN divided by NaN is NaN (`error_if_nonfinite=True` of
torch.nn.utils.clip_grad_norm_ stops there). Look at the learning rate of the steps before, at
logarithms and divisions in the loss, and at RD301.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rnndiag.analysis import FileResult
from rnndiag.rules.base import Finding, Rule
from rnndiag.rules.needs import RECORDED_SERIES
from rnndiag.rules.training import PROBE_LABEL


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for a probe with such numbers."""
    recorded = result.recorded
    if recorded is None:
        return
    found = {
        "losses": _Broken.of(recorded.losses),
        "gradient norms": _Broken.of(recorded.gradient_norms),
        "sequences": _Broken(*recorded.sequences),
    }
    if recorded.scaled:
        found = {what: b for what, b in found.items() if what == "losses" or b.count == b.total}
    said = [broken.said(what) for what, broken in found.items() if broken.count]
    if said:
        yield rule.finding(
            PROBE_LABEL,
            " and ".join(said),
            "find the operation with torch.autograd.set_detect_anomaly(True); no clip value helps",
            {what.replace(" ", "_"): broken.count for what, broken in found.items()},
        )


@dataclass(frozen=True)
class _Broken:
    """How many of what was recorded are NaN or inf."""

    count: int
    total: int

    first: int | None = None
    """The first of them, counted from 1, where they have an order."""

    @classmethod
    def of(cls, series: Sequence[float]) -> _Broken:
        places = [place for place, value in enumerate(series, 1) if not math.isfinite(value)]
        return cls(len(places), len(series), min(places, default=None))

    def said(self, what: str) -> str:
        if self.total == 1:
            return f"the recorded {what.removesuffix('s').replace('losse', 'loss')} is inf or NaN"
        first = "" if self.first is None else f", number {self.first:,} first"
        are = "is" if self.count == 1 else "are"
        return f"{self.count:,} of {self.total:,} recorded {what} {are} inf or NaN{first}"


RULE = Rule(
    code="RD405",
    title="recorded loss or gradient not finite",
    severity="error",
    threshold="one value; with a loss scaler one loss, or every norm",
    source="IEEE 754: a weight to which NaN is added is NaN at every later step",
    documentation=__doc__ or "",
    check=check,
    needs=(RECORDED_SERIES,),
)
