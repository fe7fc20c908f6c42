"""One word for one curve, and one for a layer under all deciding drives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rnndiag.measure.decay import Decay
from rnndiag.rounding import judged

Verdict = Literal["exploding", "growing", "stable", "vanishing", "mixed"]
"""exploding: three decades of growth at a positive rate, or a forward pass that overflows.
growing: a positive rate, less than three decades. vanishing: below 1e-3 of the seed at the last
lag. stable: none of these. mixed: deciding drives disagree; never the verdict of one drive."""

GROWING: frozenset[Verdict] = frozenset({"growing", "exploding"})
"""Verdicts of a drive under which the gradient grows with every step back."""

EXPLODING_DECADES = 3.0
"""Growth in decades that is called exploding. Over 132 real layers at T = 200, two reach it under
each of zero, weak and normal input, fifteen under at least one, most of them healthy on their
data."""

VANISHING_LOG10 = -3.0
"""log10 φ at the last lag that is called vanishing: a thousandth of the seed."""


def surely_grows(decay: Decay) -> bool:
    """Whether the lower end of the rate's 95 % interval, as it is shown, is above zero."""
    return decay.rate_ci95 is not None and judged(decay.rate_ci95[0]) > 0.0


def explodes(decay: Decay, overflow_step: int | None, decades: float = EXPLODING_DECADES) -> bool:
    """Whether a curve surely grows, by so many decades, or its forward pass overflows.

    One that is too short for a rate is judged by its growth alone.
    """
    if overflow_step is not None:
        return True
    grows = decay.rate_per_step is None or surely_grows(decay)
    return grows and judged(decay.growth_log10) >= decades


def drive_verdict(decay: Decay, last_log10: float, overflow_step: int | None) -> Verdict:
    """The verdict of one curve, judged on values as they are shown."""
    if explodes(decay, overflow_step):
        return "exploding"
    if surely_grows(decay):
        return "growing"
    return "vanishing" if judged(last_log10) < VANISHING_LOG10 else "stable"


def layer_verdict(deciding: Sequence[Verdict]) -> Verdict:
    """The verdict that all deciding drives share, else "mixed".

    >>> layer_verdict(["vanishing", "exploding", "vanishing"])
    'mixed'
    """
    return deciding[0] if len(set(deciding)) == 1 else "mixed"
