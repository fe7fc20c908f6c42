"""A plain recurrence whose own matrix, not its activation, loses the gradient."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

from rnndiag.advice.changes.base import Change, needed_steps, vanishing
from rnndiag.analysis import FileResult, LayerResult
from rnndiag.rounding import power_of_ten
from rnndiag.rules import DEFAULT_LIMITS, Limits


def propose(result: FileResult, limits: Limits = DEFAULT_LIMITS) -> Iterator[Change]:
    """An identity or orthogonal start where W_hh alone, without activation, vanishes as well.

    Where it does not, the activation's slopes do, and another start of W_hh would not help.
    """
    if needed_steps(result) is None:
        return
    own = [
        (item, left)
        for item, _ in vanishing(result, limits)
        if (left := _left_by_weights(item, limits)) is not None
    ]
    for activation in ("relu", "tanh"):
        found = [entry for entry in own if entry[0].layer.activation == activation]
        if found:
            yield _change(activation, found)


def _left_by_weights(item: LayerResult, limits: Limits) -> float | None:
    """log10 of what W_hh alone leaves of a gradient at the last lag, where that is too little."""
    curve = None if item.trace is None else item.trace.textbook_log10
    gone = curve is not None and curve[-1] < math.log10(limits["RD302"])
    return float(curve[-1]) if curve is not None and gone else None


def _change(activation: Literal["relu", "tanh"], found: list[tuple[LayerResult, float]]) -> Change:
    best = max(left for _, left in found)
    relu = activation == "relu"
    return Change(
        what="train again from W_hh = identity and zero biases"
        if relu
        else (
            "train again from an orthogonal W_hh; that keeps the gradient only while tanh is not "
            "saturated, so keep inputs small, or use gates"
        ),
        because=(
            f"W_hh alone, without its activation, leaves {power_of_ten(best)} of a gradient over "
            "the sequence"
        ),
        source="Le, Jaitly & Hinton 2015"
        if relu
        else "Saxe, McClelland & Ganguli 2014; Arjovsky, Shah & Bengio 2016",
        layers=tuple(item.layer.label for item, _ in found),
        evidence={"log10_left_by_weights": best},
        code=_IDENTITY if relu else _ORTHOGONAL,
    )


_IDENTITY = """\
for name, parameter in model.rnn.named_parameters():  # the nn.RNN, before it is trained
    if name.startswith("weight_hh"):
        torch.nn.init.eye_(parameter)
    elif name.startswith("bias"):
        torch.nn.init.zeros_(parameter)"""

_ORTHOGONAL = """\
for name, parameter in model.rnn.named_parameters():  # the nn.RNN, before it is trained
    if name.startswith("weight_hh"):
        torch.nn.init.orthogonal_(parameter)"""
