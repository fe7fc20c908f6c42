"""Run a recurrent module forward: layers and inputs to the trajectory of every layer's states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rnndiag.cells import Cell
from rnndiag.cells.base import FloatArray, Linearisation


@dataclass(frozen=True)
class LayerRun:
    """One layer in one direction, run over a sequence, in its own order of time."""

    cell: Cell

    drive_tbg: FloatArray
    """W_ih x_t + biases, shape (steps, batch, gates * hidden)."""

    states_tbs: FloatArray
    """s_0 … s_T, shape (steps + 1, batch, state_size); every one of them finite."""

    overflow_step: int | None
    """The step, counted from 1, whose state was the first that is not finite; None if all are."""

    @property
    def steps(self) -> int:
        """Steps that can be traced."""
        return len(self.drive_tbg)

    @cached_property
    def linearisation(self) -> Linearisation:
        """The derivative of every step at once, computed when it is first asked for."""
        # A ReLU that is at -inf before the activation is a finite 0 after it.
        with np.errstate(over="ignore", invalid="ignore"):
            return self.cell.linearise(self.drive_tbg, self.states_tbs[:-1])

    def outputs(self) -> FloatArray:
        """h_1 … h_T, shape (steps, batch, output)."""
        return self.states_tbs[1:, :, : self.cell.output_size]

    def first(self, steps: int, overflow_step: int | None) -> LayerRun:
        """The same run, cut after `steps` steps."""
        return LayerRun(
            self.cell, self.drive_tbg[:steps], self.states_tbs[: steps + 1], overflow_step
        )


Cells = Sequence[Sequence[Cell]]
"""cells[depth][direction], bottom to top; direction 0 is forward, 1 reverse."""

States = Sequence[Sequence[FloatArray]]
"""Initial states in the same order, each of shape (batch, state_size)."""


def run_layer(cell: Cell, inputs_tbi: FloatArray, initial_bs: FloatArray) -> LayerRun:
    """Run one layer until the end of the inputs or the first state that is not finite."""
    # A ReLU network that explodes overflows here; that is a result, reported as overflow_step.
    with np.errstate(over="ignore", invalid="ignore"):
        drive = cell.project(inputs_tbi)
        states = np.empty((len(inputs_tbi) + 1, *initial_bs.shape))
        states[0] = initial_bs
        for t, drive_bg in enumerate(drive):
            states[t + 1] = cell.step(drive_bg, states[t])
            if not np.isfinite(states[t + 1]).all():
                return LayerRun(cell, drive[:t], states[: t + 1], overflow_step=t + 1)
    return LayerRun(cell, drive, states, overflow_step=None)


def run_stack(cells: Cells, inputs_tbi: FloatArray, initial: States) -> list[list[LayerRun]]:
    """Run a whole module; runs[depth][direction], each layer fed by the one below.

    A stack of one direction is cut after the last step at which all its layers were finite, so that
    gradients can be followed through all of it. In a bidirectional one every direction keeps its
    own steps; a layer above an overflow gets none.
    """
    runs: list[list[LayerRun]] = []
    below = inputs_tbi
    overflow: int | None = None
    for layer_cells, layer_initial in zip(cells, initial, strict=True):
        layer_runs = [
            run_layer(cell, below if direction == 0 else below[::-1], state)
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
        return runs[0].outputs()
    if _first_overflow(runs) is not None:
        return np.empty((0, runs[0].states_tbs.shape[1], 2 * runs[0].cell.output_size))
    return np.concatenate([runs[0].outputs(), runs[1].outputs()[::-1]], axis=-1)


def _cut_to_shortest(runs: list[list[LayerRun]]) -> list[list[LayerRun]]:
    steps = min(run.steps for (run,) in runs)
    overflow = _first_overflow([run for (run,) in runs])
    return [[run.first(steps, overflow)] for (run,) in runs]
