"""A recurrence that was never trained."""

from __future__ import annotations

from collections.abc import Iterator

from rnndiag.advice.changes.base import Change
from rnndiag.analysis import FileResult
from rnndiag.rules import DEFAULT_LIMITS, Limits
from rnndiag.rules.rd102 import untrained


def propose(result: FileResult, limits: Limits = DEFAULT_LIMITS) -> Iterator[Change]:
    """Ask for longer sequences where W_hh alone stayed where it was initialised."""
    found = [item for item in result.layers if untrained(item, limits["RD102"])]
    forward = [item for item in found if item.layer.direction == "forward"]
    reverse = [item for item in found if item.layer.direction == "reverse"]
    if forward:
        yield Change(
            what=(
                "are your sequences longer than 1? Check the shape that reaches the layer: "
                "(steps, batch, features), or (batch, steps, features) with batch_first=True"
            ),
            because=_BECAUSE,
            source="RD102; with one step and a zero first state, W_hh has no gradient",
            layers=tuple(item.layer.label for item in forward),
        )
    if reverse:
        yield Change(
            what=(
                "read the reverse direction where it has seen the sequence: in h_n or at the first "
                "step of the output, not at the last, where it has seen one step"
            ),
            because=_BECAUSE,
            source="RD102; with one step and a zero first state, W_hh has no gradient",
            layers=tuple(item.layer.label for item in reverse),
        )


_BECAUSE = "W_hh still lies as it was drawn before training; W_ih does not"
