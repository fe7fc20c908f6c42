"""A plain recurrence that forgets what the task needs: no clip value brings it back."""

from __future__ import annotations

from collections.abc import Iterator

from rnndiag.advice.changes.base import Change, loss_of_gradient, needed_steps, vanishing
from rnndiag.analysis import FileResult
from rnndiag.rules import DEFAULT_LIMITS, Limits


def propose(result: FileResult, limits: Limits = DEFAULT_LIMITS) -> Iterator[Change]:
    """A gate for plain layers whose gradient vanishes within the length that is needed."""
    needed = needed_steps(result)
    plain = [entry for entry in vanishing(result, limits) if entry[0].layer.cell == "rnn"]
    if needed is None or not plain:
        return
    _, drive = max(plain, key=lambda entry: float(entry[1].log10_gradient_norm[-1]))
    yield Change(
        what=(
            "use an LSTM or a GRU: clipping cannot help here, it only shortens gradients, and what "
            "has vanished beside the rest stays so"
        ),
        because=loss_of_gradient(drive),
        source="Hochreiter & Schmidhuber 1997; Cho et al. 2014",
        layers=tuple(item.layer.label for item, _ in plain),
        evidence={
            "needed_steps": needed,
            "log10_gradient_at_last_lag": float(drive.log10_gradient_norm[-1]),
        },
    )
