"""Gradients as small as what the optimizer adds to their size."""

from __future__ import annotations

from collections.abc import Iterator

from rnndiag.advice.changes.base import Change
from rnndiag.advice.changes.starved_recurrence import starved_layers
from rnndiag.analysis import FileResult
from rnndiag.measure.second_moment import TITLES
from rnndiag.rounding import judged
from rnndiag.rules import DEFAULT_LIMITS, Limits

SHRUNK = 0.9
"""Share of a step that is left, below which eps matters: rms / (rms + eps), Kingma & Ba 2015."""

ADAM = {"adam", "adamw"}
"""Whose step is divided by the root of the unbiased second moment, plus eps."""


def propose(result: FileResult, limits: Limits = DEFAULT_LIMITS) -> Iterator[Change]:
    """A smaller eps, or a larger loss, where Adam divides gradients by eps more than by size."""
    state = result.training_state
    if state is None or not state.mapped or not state.epsilon or state.optimizer not in ADAM:
        return
    rms = {one.name: one.rms for one in state.per_parameter}
    sizes = {item.layer.label: rms.get(item.layer.keys[0], 0.0) for item in result.layers}
    starved = starved_layers(result, limits)
    found = {
        label: size
        for label, size in sizes.items()
        if size > 0.0 and label not in starved and judged(size / (size + state.epsilon)) < SHRUNK
    }
    if not found:
        return
    smallest = min(found.values())
    left = smallest / (smallest + state.epsilon)
    yield Change(
        what=(
            "if this recurrence is still to learn, multiply the loss by a constant or lower the "
            "optimizer's eps"
        ),
        because=(
            f"the gradients of W_hh are as small as {smallest:.2g} per element, and "
            f"{TITLES[state.optimizer]} adds eps = {state.epsilon:g} to that, which leaves "
            f"{left:.2g} of its step"
        ),
        source="Kingma & Ba 2015, algorithm 1",
        layers=tuple(found),
        evidence={"gradient_rms": smallest, "epsilon": state.epsilon, "step_left": left},
    )
