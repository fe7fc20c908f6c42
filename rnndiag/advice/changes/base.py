"""What a proposed change is, and what several of them ask of a file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from rnndiag.analysis import FileResult, LayerResult
from rnndiag.measure.drive_trace import DriveTrace
from rnndiag.measure.trace import LayerTrace
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
    """How far back the task reaches, if the user or a file said so; what is assumed is no need."""
    if result.memory is not None:
        return result.memory
    return None if result.length_basis == "assumed" else result.seq_len


def vanishing(result: FileResult, limits: Limits) -> Iterator[tuple[LayerResult, DriveTrace]]:
    """Layers whose gradient is lost under every deciding drive, at the threshold of RD302.

    One that was never trained has not been tried yet; one that reaches the memory that the user
    asks for forgets nothing that is needed.
    """
    for layer in traced(result):
        reaches = result.memory is not None and _reach(layer.trace) >= result.memory
        if reaches or untrained(layer.item, limits["RD102"]):
            continue
        if lost(layer, limits["RD302"]):
            yield layer.item, layer.trace.headline


def _reach(trace: LayerTrace) -> float:
    """The last lag with a thousandth of the gradient left, under the input that keeps it best."""
    lags = [drive.decay.horizons[2] for drive in trace.deciding]
    return max(math.inf if lag is None else lag for lag in lags)


def loss_of_gradient(drive: DriveTrace) -> str:
    """What is left of a gradient at the last lag, in words."""
    left = float(drive.log10_gradient_norm[-1])
    lags = len(drive.log10_gradient_norm) - 1
    return f"{power_of_ten(left)} of the gradient is left after {lags} steps ({drive.drive} input)"
