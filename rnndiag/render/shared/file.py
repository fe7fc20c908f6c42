"""A file in words: what training left in it, and what it would have imported."""

from __future__ import annotations

from collections.abc import Iterator

from rnndiag.measure.training_state import TrainingState
from rnndiag.render.base import number

SHOWN_NAMES = 8
"""Unrecognised tensors and imports that are listed; JSON has all of them."""


def training(state: TrainingState | None) -> str:
    """What the optimizer left, in one line."""
    if state is None:
        return "no optimizer state in the file; --optimizer FILE reads it from one of its own"
    norm = (
        f"gradient norm {number(state.gradient_rms_norm)} (root mean square of the last steps)"
        if state.gradient_rms_norm is not None
        else f"no gradient norm: {state.absent}"
    )
    mapped = (
        f"mapped to {state.parameters} of {state.parameters} parameters"
        if state.mapped
        else f"not mapped to parameters: {state.not_mapped}"
    )
    return (
        f"optimizer state: {state.optimizer}, step {number(state.step)}, "
        f"learning rate {number(state.learning_rate)}, {norm}, {mapped}"
    )


def imports(foreign: tuple[str, ...]) -> Iterator[str]:
    """What a trusting load would have imported beyond torch itself."""
    if foreign:
        more = f" and {len(foreign) - SHOWN_NAMES} more" if len(foreign) > SHOWN_NAMES else ""
        listed = ", ".join(foreign[:SHOWN_NAMES])
        yield f"nothing was executed; torch.load would have imported {listed}{more}"
