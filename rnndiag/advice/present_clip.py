"""What a clip setting found in the file does to this network's gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rnndiag.measure.training_state import TrainingState
from rnndiag.recognise.settings import Setting

HARDLY_EVER = 0.01
"""A share of steps below which a setting is a safety net and nothing else."""


@dataclass(frozen=True)
class PresentClip:
    """One clip setting of the file."""

    name: str
    value: float
    algorithm: Literal["norm", "value"]
    """value: every element by itself, as clip_grad_value_ does."""

    effect: str
    """What it does, in words that follow its name and value."""

    fires: float | None = None
    """Share of the measured steps that it clips."""

    fires_at_most: float | None = None
    """Upper bound of the share of the last steps, or by value of the elements, that it clipped."""


def judge_norm(
    setting: Setting, norms: Sequence[float], word: str, state: TrainingState | None
) -> PresentClip:
    """Compare max_norm with single steps' norms, else with the optimizer's R.

    A mean square R² leaves room for a share of at most (R/c)² of steps at c or above (Markov's
    inequality), whether c was in force or not.
    """
    if len(norms):
        share = float(np.mean(np.asarray(norms) > setting.value))
        return PresentClip(*setting, "norm", _often(share, word, max(norms)), fires=share)
    norm = None if state is None else state.gradient_rms_norm
    if state is None or not norm:
        return PresentClip(*setting, "norm", "whether it ever fires cannot be told without norms")
    if state.clipped_at == setting.value:
        effect = f"it fired at nearly every step: the optimizer's mean norm, {norm:.4g}, lies at it"
        return PresentClip(*setting, "norm", effect, fires_at_most=1.0)
    if norm > setting.value:
        effect = (
            f"the optimizer saw larger gradients, {norm:.4g} on average: parts were clipped "
            "separately, or not all, or something was added after clipping"
        )
        return PresentClip(*setting, "norm", effect)
    if not is_plain(state):
        effect = "how often it fires cannot be told: the optimizer's norm is not the gradients'"
        return PresentClip(*setting, "norm", effect)
    bound = (norm / setting.value) ** 2
    return PresentClip(*setting, "norm", _seldom(bound, "of the last steps"), fires_at_most=bound)


def judge_value(setting: Setting, state: TrainingState | None) -> PresentClip:
    """By value every element has its own bound: the gradient turns, whatever its norm."""
    turns = (
        "every element is cut off at it by itself, which turns the gradient; clipping by norm "
        "keeps its direction"
    )
    sizes = 0 if state is None else sum(one.size for one in state.per_parameter)
    norm = None if state is None else state.gradient_rms_norm
    if state is None or not norm or not is_plain(state):
        return PresentClip(*setting, "value", turns)
    bound = min((norm / setting.value) ** 2 / sizes, 1.0)
    effect = f"{turns}; {_seldom(bound, 'of the elements')}"
    return PresentClip(*setting, "value", effect, fires_at_most=bound)


def is_plain(state: TrainingState) -> bool:
    """Whether the optimizer saw the gradients themselves, with nothing added or scaled."""
    return not state.adds_weight_decay and state.loss_scale is None


def _often(share: float, word: str, largest: float) -> str:
    if share == 0.0:
        return f"it fires on none of the {word} norms, the largest of which is {largest:.4g}"
    if share == 1.0:
        return f"it fires on all {word} norms: every step is as long as the next, whatever its loss"
    return f"it fires on {share:.1%} of the {word} norms"


def _seldom(bound: float, of_what: str) -> str:
    """Markov's inequality in words."""
    if bound < HARDLY_EVER:
        return f"by the optimizer's mean norm it fired on less than 1% {of_what}"
    return f"by the optimizer's mean norm it fired on at most {bound:.0%} {of_what}"
