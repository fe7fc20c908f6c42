"""A recurrence that was never trained."""

from __future__ import annotations

from collections.abc import Iterator

from rnndiag.advice.changes.base import Change
from rnndiag.analysis import FileResult


def propose(result: FileResult) -> Iterator[Change]:
    """Ask for longer sequences where W_hh alone stayed where it was initialised."""
    found = [item for item in result.layers if item.weights.recurrence_untrained]
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


_BECAUSE = "W_hh is still within ±1/sqrt(hidden), where PyTorch starts it; W_ih has left that box"
