"""Run a recurrent module forward: layers and inputs to the trajectory of every layer's states.

A long sequence is run in segments of bounded size. Only the state at each segment's start and the
outputs are kept; whoever needs what is inside a segment has it run once more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from rnndiag.cells import Cell
from rnndiag.cells.base import FloatArray, Linearisation
from rnndiag.progress import Progress, Silent

CHUNK = 16
"""Steps that are linearised together: many share the overhead of one call, and their arrays still
fit into the processor's cache. 4, 8 and 32 take about as long from 128 to 1024 units."""

SEGMENT_BYTES = 2**25
"""What one layer keeps of the inside of its steps where it is run in segments."""

WHOLE = 24
"""Segments' worth of steps, of all layers together, that are kept as one all the same: running them
twice takes longer. They are 768 MiB; 2,000 steps of an LSTM with 1024 units and 8 samples fit."""

PROJECTED_BYTES = 2**23
"""Of the drives that are computed with one product of matrices. The drives of all steps together
would be too large for malloc to keep for reuse, and every array after them took fresh pages: at
T = 2000 linearising took three times as long."""


@dataclass(frozen=True)
class Stretch:
    """Some steps in a row of one layer's run, with everything inside them."""

    cell: Cell

    preactivations_tbg: FloatArray
    """What `Cell.preactivate` gave, shape (steps, batch, preactivation_size)."""

    states_tbs: FloatArray
    """The states around the steps, shape (steps + 1, batch, state_size); all of them finite."""

    @property
    def steps(self) -> int:
        """How many."""
        return len(self.preactivations_tbg)

    @cached_property
    def linearisation(self) -> Linearisation:
        """The derivative of every step, computed when it is first asked for."""
        # A ReLU that is at -inf before the activation is a finite 0 after it.
        with np.errstate(over="ignore", invalid="ignore"):
            return self.cell.linearise_at(self.preactivations_tbg, self.states_tbs[:-1])

    def part(self, first: int, last: int) -> Stretch:
        """Steps first … last − 1 of these."""
        return Stretch(
            self.cell, self.preactivations_tbg[first:last], self.states_tbs[first : last + 1]
        )


@dataclass
class LayerRun:
    """One layer in one direction, run over a sequence, in its own order of time."""

    cell: Cell
    inputs_tbi: FloatArray

    outputs_tbp: FloatArray
    """h_1 … h_T, shape (steps, batch, output)."""

    starts: list[FloatArray]
    """The state before each segment, shape (batch, state_size)."""

    segment_steps: int
    """Steps of every segment but the last, a multiple of CHUNK."""

    overflow_step: int | None = None
    """The step, counted from 1, whose state was the first that is not finite; None if all are."""

    _recent: tuple[int, Stretch] | None = field(default=None, repr=False)
    """The segment that was run last, and its number."""

    @property
    def steps(self) -> int:
        """Steps that can be traced."""
        return len(self.outputs_tbp)

    def chunks(self, backward: bool = False) -> Iterator[Stretch]:
        """All steps, CHUNK at a time, from the first or from the last ones on."""
        for first, last in chunk_bounds(self.steps, backward):
            yield self.stretch(first, last)

    def linearised(self, backward: bool = False) -> Iterator[Linearisation]:
        """The derivative of every step, one by one."""
        for chunk in self.chunks(backward):
            order = range(chunk.steps)
            yield from (chunk.linearisation[i] for i in (reversed(order) if backward else order))

    def stretch(self, first: int, last: int) -> Stretch:
        """Steps first … last − 1, which must lie in one segment."""
        number = first // self.segment_steps
        start = number * self.segment_steps
        if self._recent is None or self._recent[0] != number:
            self._recent = None  # before the next one is run: two need not be held at once
            inputs = self.inputs_tbi[start : min(start + self.segment_steps, self.steps)]
            self._recent = number, _run_segment(self.cell, inputs, self.starts[number])
        return self._recent[1].part(first - start, last - start)

    def first(self, steps: int, overflow_step: int | None) -> LayerRun:
        """The same run, cut after `steps` steps."""
        return replace(self, outputs_tbp=self.outputs_tbp[:steps], overflow_step=overflow_step)


def chunk_bounds(steps: int, backward: bool = False) -> Iterator[tuple[int, int]]:
    """(first, last + 1) of the steps of every chunk."""
    starts = range(0, steps, CHUNK)
    for first in reversed(starts) if backward else starts:
        yield first, min(first + CHUNK, steps)


Cells = Sequence[Sequence[Cell]]
"""cells[depth][direction], bottom to top; direction 0 is forward, 1 reverse."""

States = Sequence[Sequence[FloatArray]]
"""Initial states in the same order, each of shape (batch, state_size)."""


INITIAL_DEVIATION = 0.1
"""Standard deviation of random states to start from: a zero state may sit on an unstable origin."""


def random_states(cells: Cells, batch: int, generator: np.random.Generator) -> States:
    """Gaussian states of INITIAL_DEVIATION for every layer and direction of a module."""
    return [
        [INITIAL_DEVIATION * generator.standard_normal((batch, cell.state_size)) for cell in sides]
        for sides in cells
    ]


def run_layer(
    cell: Cell,
    inputs_tbi: FloatArray,
    initial_bs: FloatArray,
    progress: Progress | None = None,
    layers: int = 1,
) -> LayerRun:
    """Run one of so many layers until the inputs' end or the first state that is not finite."""
    batch = len(initial_bs)
    length = segment_steps(cell, batch, len(inputs_tbi), layers)
    run = LayerRun(
        cell, inputs_tbi, np.empty((len(inputs_tbi), batch, cell.output_size)), [], length
    )
    progress = progress or Silent()
    state = initial_bs
    for number, first in enumerate(range(0, len(inputs_tbi), length)):
        inputs = inputs_tbi[first : first + length]
        segment = _run_segment(cell, inputs, state)
        run.starts.append(state)
        run._recent = number, segment
        last = first + segment.steps
        run.outputs_tbp[first:last] = segment.states_tbs[1:, :, : cell.output_size]
        if segment.steps < len(inputs):
            return run.first(last, overflow_step=last + 1)
        state = segment.states_tbs[-1].copy()  # a view would keep all of the segment
        progress.advance(segment.steps)
    return run


def segment_steps(cell: Cell, batch: int, steps: int, layers: int) -> int:
    """Steps of one segment, in whole chunks; all of them where that is not too much to keep."""
    chunk = CHUNK * _step_bytes(cell, batch)
    return max(1, math.ceil(inside_bytes(cell, batch, steps, layers) / chunk)) * CHUNK


def inside_bytes(cell: Cell, batch: int, steps: int, layers: int) -> int:
    """About what one of so many layers keeps of the inside of its steps at once."""
    whole = steps * _step_bytes(cell, batch)
    return whole if layers * whole <= WHOLE * SEGMENT_BYTES else min(whole, SEGMENT_BYTES)


def _step_bytes(cell: Cell, batch: int) -> int:
    return 8 * batch * (cell.preactivation_size + cell.state_size)


def _run_segment(cell: Cell, inputs_tbi: FloatArray, initial_bs: FloatArray) -> Stretch:
    """Shorter than the inputs if a state is not finite: up to the step before."""
    steps, batch = len(inputs_tbi), len(initial_bs)
    states = np.empty((steps + 1, *initial_bs.shape))
    states[0] = initial_bs
    inside = np.empty((steps, batch, cell.preactivation_size))
    # A ReLU network that explodes overflows here; that is a result, reported as overflow_step.
    with np.errstate(over="ignore", invalid="ignore"):
        for t, drive in enumerate(_projected(cell, inputs_tbi)):
            cell.preactivate(drive, states[t], out=inside[t])
            cell.advance(inside[t], states[t], out=states[t + 1])
    finite = np.isfinite(states[1:]).all(axis=(1, 2))
    if not finite.all():
        steps = int(finite.argmin())
    return Stretch(cell, inside[:steps], states[: steps + 1])


def _projected(cell: Cell, inputs_tbi: FloatArray) -> Iterator[FloatArray]:
    """The drive of every step, (batch, gates * hidden); a block of steps is projected at once."""
    step_bytes = 8 * inputs_tbi.shape[1] * cell.weights.weight_ih.shape[0]
    block = max(1, PROJECTED_BYTES // max(1, step_bytes))
    for first in range(0, len(inputs_tbi), block):
        yield from cell.project(inputs_tbi[first : first + block])


def run_stack(
    cells: Cells, inputs_tbi: FloatArray, initial: States, progress: Progress | None = None
) -> list[list[LayerRun]]:
    """Run a whole module; runs[depth][direction], each layer fed by the one below.

    A stack of one direction is cut after the last step at which all its layers were finite, so that
    gradients can be followed through all of it. In a bidirectional one every direction keeps its
    own steps; a layer above an overflow gets none.
    """
    runs: list[list[LayerRun]] = []
    count = sum(map(len, cells))
    below = inputs_tbi
    overflow: int | None = None
    for layer_cells, layer_initial in zip(cells, initial, strict=True):
        layer_runs = [
            run_layer(cell, below if direction == 0 else below[::-1], state, progress, count)
            for direction, (cell, state) in enumerate(zip(layer_cells, layer_initial, strict=True))
        ]
        if len(layer_cells) == 2 and overflow is not None:
            layer_runs = [run.first(0, overflow) for run in layer_runs]
        runs.append(layer_runs)
        overflow = _first_overflow(layer_runs) or overflow
        below = _joined_outputs(layer_runs)
    return runs if len(cells[0]) == 2 else _cut_to_shortest(runs)


def _first_overflow(runs: Sequence[LayerRun]) -> int | None:
    return min((run.overflow_step for run in runs if run.overflow_step is not None), default=None)


def _joined_outputs(runs: Sequence[LayerRun]) -> FloatArray:
    """What the layer above sees at each step, both directions side by side."""
    if len(runs) == 1:
        return runs[0].outputs_tbp
    if _first_overflow(runs) is not None:
        return np.empty((0, runs[0].outputs_tbp.shape[1], 2 * runs[0].cell.output_size))
    return np.concatenate([runs[0].outputs_tbp, runs[1].outputs_tbp[::-1]], axis=-1)


def _cut_to_shortest(runs: list[list[LayerRun]]) -> list[list[LayerRun]]:
    steps = min(run.steps for (run,) in runs)
    overflow = _first_overflow([run for (run,) in runs])
    return [[run.first(steps, overflow)] for (run,) in runs]
