"""Rows of a record: each is one sequence, or one call's part of one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnndiag.cells.base import FloatArray
from rnndiag.given import GivenStates
from rnndiag.probe.records import IntArray, RecordedModule


def finite_rows(record: RecordedModule) -> RecordedModule:
    """The record without the rows that hold inf or NaN; as it is where no other is left.

    A training step whose loss is NaN leaves only NaN; the steps before it can be judged.
    """
    parts = [
        record.inputs_tbi,
        record.output_gradient_tbp,
        record.cell_gradient_tbh,
        *_parts(record.initial),
        *_parts(record.final),
        *_parts(record.final_gradient),
        *_parts(record.states),
    ]
    finite = np.ones(len(record.lengths), dtype=bool)
    for part in parts:
        if part is not None:
            finite &= np.isfinite(part).all(axis=(0, 2))
    broken = int(len(finite) - finite.sum())
    if broken in {0, len(finite)}:
        return replace(record, non_finite=broken, usable=not broken)
    return replace(_chosen(record, np.flatnonzero(finite)), non_finite=broken)


def _parts(states: GivenStates | None) -> list[FloatArray | None]:
    return [] if states is None else [states.h_0, states.c_0]


def _chosen(record: RecordedModule, rows: IntArray) -> RecordedModule:
    """Some rows; one whose predecessor is not among them begins."""

    def of_batch(values: FloatArray | None) -> FloatArray | None:
        return None if values is None else values[:, rows]

    def of_states(states: GivenStates) -> GivenStates:
        return GivenStates(states.h_0[:, rows], of_batch(states.c_0))

    return replace(
        record,
        inputs_tbi=record.inputs_tbi[:, rows],
        lengths=record.lengths[rows],
        calls=record.calls[rows],
        steps=record.steps[rows],
        initial=of_states(record.initial),
        final=of_states(record.final),
        final_gradient=of_states(record.final_gradient),
        output_gradient_tbp=record.output_gradient_tbp[:, rows],
        states=None if record.states is None else of_states(record.states),
        cell_gradient_tbh=of_batch(record.cell_gradient_tbh),
        continues=_renumbered(record, rows),
    )


def _renumbered(record: RecordedModule, rows: IntArray) -> IntArray | None:
    """The rows that these go on from, by their new numbers."""
    if record.continues is None:
        return None
    numbers = np.full(len(record.lengths) + 1, -1)  # the last one is that of -1: none
    numbers[rows] = np.arange(len(rows))
    continues = numbers[record.continues[rows]]
    return continues if (continues >= 0).any() else None
