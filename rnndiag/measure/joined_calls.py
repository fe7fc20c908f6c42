"""A probe's calls that hand their state on, made whole sequences: as if they had been one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from rnndiag.cells.base import FloatArray
from rnndiag.given import GivenStates
from rnndiag.measure.injected import StepNorms
from rnndiag.measure.recorded_run import own_part
from rnndiag.probe.records import IntArray, RecordedModule
from rnndiag.rollout import States

Number = TypeVar("Number", np.float64, np.int64)


def without_next_calls(
    direct: list[list[FloatArray]], norms: list[list[StepNorms]], recorded: RecordedModule
) -> None:
    """Take from what reaches the last state of every call what comes back through the next one.

    Recorded is ∂L/∂s_n of a call's last state s_n, all of it. Where the next call starts from s_n,

        ∂L/∂s_n = (what the loss asks of s_n itself) + ∂L/∂s_0 of the next call.

    `direct` is [depth][direction] of shape (steps, rows, state) and changed in place; `norms` are
    those of every call by itself, whose ∂L/∂s_0 are computed at the states that were recorded.
    """
    continues = recorded.continues
    if continues is None:
        return
    after = np.flatnonzero(continues >= 0)
    before = continues[after]
    ends = recorded.lengths[before] - 1
    for sides, of_sides in zip(direct, norms, strict=True):
        for gradient, norm in zip(sides, of_sides, strict=True):
            initial = norm.initial
            # In float64's range, as what it is a part of was recorded.
            exponent = np.clip(initial.exponent[after], -1100, 1000).astype(np.int32)
            later = np.ldexp(initial.mantissa[after], exponent[:, None])
            gradient[ends, before] = own_part(gradient[ends, before], later, recorded.rounding)


def joined(
    recorded: RecordedModule, direct: list[list[FloatArray]], initial: States
) -> tuple[RecordedModule, list[list[FloatArray]], States]:
    """The same with one row for every sequence, however many calls it was made in.

    Rows that the loss does not reach, such as the steps of a decoder whose sentence has ended, are
    left out. The record's own gradients stay those of the calls: joined, they are `direct`.
    """
    chains = _reached(recorded, direct)
    firsts, lasts = ([chain[end] for chain in chains] for end in (0, -1))
    steps, rows = sources(recorded.lengths, chains)
    whole = replace(
        recorded,
        inputs_tbi=along(recorded.inputs_tbi, steps, rows),
        lengths=(rows >= 0).sum(axis=0),
        calls=recorded.calls[firsts],
        steps=recorded.steps[firsts],
        initial=_states(recorded.initial, firsts),
        final=_states(recorded.final, lasts),
        continues=None,
    )
    gradients = [[along(gradient, steps, rows) for gradient in sides] for sides in direct]
    return whole, gradients, [[state[firsts] for state in sides] for sides in initial]


def _reached(
    recorded: RecordedModule, direct: list[list[FloatArray]]
) -> tuple[tuple[int, ...], ...]:
    """The chains that the loss reaches; all where it reaches none."""
    reached = np.any([g.any(axis=(0, 2)) for sides in direct for g in sides], axis=0)
    found = tuple(chain for chain in recorded.chains if reached[list(chain)].any())
    return found or recorded.chains


def sources(lengths: IntArray, chains: Sequence[tuple[int, ...]]) -> tuple[IntArray, IntArray]:
    """(step, row) of a record at each step of each sequence, (steps, sequences); row -1: none.

    `lengths` are those of the rows, `chains` the rows of each sequence.

    >>> steps, rows = sources(np.array([2, 1]), [(0, 1)])
    >>> steps.ravel(), rows.ravel()
    (array([0, 1, 0]), array([0, 0, 1]))
    """
    parts = [lengths[list(chain)] for chain in chains]
    shape = max(int(each.sum()) for each in parts), len(chains)
    steps, rows = np.zeros(shape, np.int64), np.full(shape, -1)
    for column, (chain, each) in enumerate(zip(chains, parts, strict=True)):
        total = int(each.sum())
        rows[:total, column] = np.repeat(chain, each)
        steps[:total, column] = np.arange(total) - np.repeat(np.cumsum(each) - each, each)
    return steps, rows


def along(values_tbx: npt.NDArray[Number], steps: IntArray, rows: IntArray) -> npt.NDArray[Number]:
    """Values of a record along its sequences, zero behind their ends."""
    return np.asarray(np.where((rows >= 0)[..., None], values_tbx[steps, rows], 0))


def _states(states: GivenStates, rows: list[int]) -> GivenStates:
    return GivenStates(states.h_0[:, rows], None if states.c_0 is None else states.c_0[:, rows])
