"""What a proposed change is, and what several of them ask of a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from rnndiag.analysis import FileResult, LayerResult
from rnndiag.measure.drive_trace import DriveTrace
from rnndiag.rounding import power_of_ten
from rnndiag.rules import Limits
from rnndiag.rules.rd102 import untrained
from rnndiag.rules.traces import lost, traced

Evidence = dict[str, float | int | str | None]


@dataclass(frozen=True)
class Change:
    """Something to change in a model or its training, because of something measured."""

    what: str
    """The change, as an order in plain words."""

    because: str
    """The measurement that calls for it."""

    source: str
    """Who showed that it helps."""

    layers: tuple[str, ...]
    """Labels of the layers it is for."""

    evidence: Evidence = field(default_factory=dict)
    """The numbers in `because`."""

    code: str = ""
    """Python to paste, where that helps. Nothing that a file contains stands in it."""


def needed_steps(result: FileResult) -> int | None:
    """How far back the task reaches, if the user or the file said so; 200 by default is no need."""
    return None if result.seq_len_source == "default" else result.seq_len


def vanishing(result: FileResult, limits: Limits) -> Iterator[tuple[LayerResult, DriveTrace]]:
    """Layers whose gradient is lost under every deciding drive, at the threshold of RD302.

    One that was never trained has not been tried yet.
    """
    for layer in traced(result):
        if not untrained(layer.item, limits["RD102"]) and lost(layer, limits["RD302"]):
            yield layer.item, layer.trace.headline


def loss_of_gradient(drive: DriveTrace) -> str:
    """What is left of a gradient at the last lag, in words."""
    left = float(drive.log10_gradient_norm[-1])
    lags = len(drive.log10_gradient_norm) - 1
    return f"{power_of_ten(left)} of the gradient is left after {lags} steps ({drive.drive} input)"
