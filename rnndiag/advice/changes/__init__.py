"""Changes worth making. One file per change; a healthy network gets none."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rnndiag.advice.changes import (
    epsilon,
    gate_bias,
    gated_cell,
    recurrent_start,
    starved_recurrence,
    untrained_recurrence,
)
from rnndiag.advice.changes.base import Change
from rnndiag.analysis import FileResult
from rnndiag.rules import DEFAULT_LIMITS, Limits

__all__ = ["CHANGES", "Change", "propose"]

CHANGES: tuple[Callable[[FileResult, Limits], Iterable[Change]], ...] = (
    untrained_recurrence.propose,
    starved_recurrence.propose,
    epsilon.propose,
    gate_bias.propose,
    gated_cell.propose,
    recurrent_start.propose,
)
"""Every proposal, what is broken before what could be better."""


def propose(result: FileResult, limits: Limits = DEFAULT_LIMITS) -> tuple[Change, ...]:
    """All changes that this file's measurements call for, at the thresholds in force."""
    return tuple(change for of_kind in CHANGES for change in of_kind(result, limits))
