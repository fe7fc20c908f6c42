"""What a truncation that is in use costs."""

from __future__ import annotations

from dataclasses import dataclass

from rnndiag.measure.truncation import TruncationCurves
from rnndiag.recognise.settings import Setting


@dataclass(frozen=True)
class PresentTruncation:
    """One number of steps, read both ways that frameworks may mean it."""

    source: str
    """"given", or the name of the file's own setting."""

    steps: int

    sliding_bias: float | None
    """Relative bias where every loss sees so many lags; None if the window was no longer."""

    sliding_cosine: float | None

    chunk_bias: float | None
    """Where states are detached every so many steps, so that most losses see fewer."""

    chunk_cosine: float | None

    lower_bound: bool
    """Whether gradients from beyond the window would add to it: they last to its end, or so many
    steps do."""


def judge_present(setting: Setting, curves: TruncationCurves, beyond: bool) -> PresentTruncation:
    """Bias and cosine of keeping K lags and of detaching every K steps.

    `beyond`: whether gradients are not gone at the end of the window.
    """
    steps = int(setting.value)
    if curves.is_zero or (beyond and steps >= curves.lags):
        return PresentTruncation(setting.name, steps, None, None, None, None, beyond)
    beyond = beyond or steps >= curves.lags
    sliding, chunk = curves.keeping_lags(steps), curves.detaching_every(steps)
    return PresentTruncation(
        setting.name,
        steps,
        float(sliding.bias),
        float(sliding.cosine),
        float(chunk.bias),
        float(chunk.cosine),
        beyond,
    )
