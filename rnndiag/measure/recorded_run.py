"""Run a module on a probe's sequences, each from its own start to its own end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from rnndiag.cells import Cell
from rnndiag.cells.base import FloatArray, Linearisation
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.given import GivenStates
from rnndiag.probe.records import IntArray, RecordedModule
from rnndiag.progress import Progress
from rnndiag.rollout import CHUNK, Cells, LayerRun, States, run_layer

Number = TypeVar("Number", np.float64, np.int64)

Runs = list[list[LayerRun]]
"""runs[depth][direction], each in its own order of time: a sequence's first step stands first, in
the reverse direction too; what follows its end is padding."""


def flipped(values_tbx: npt.NDArray[Number], lengths: IntArray) -> npt.NDArray[Number]:
    """Every sequence back to front, its padding left behind it; any dimensions after the first two.

    >>> flipped(np.array([[1, 5], [2, 6], [3, 0]]), np.array([3, 2])).T
    array([[3, 2, 1],
           [6, 5, 0]])
    """
    step = np.arange(len(values_tbx))[:, None]
    source = np.where(step < lengths, lengths - 1 - step, step)
    return np.asarray(values_tbx[source, np.arange(values_tbx.shape[1])])


def run_recorded(
    cells: Cells, recorded: RecordedModule, initial: States, progress: Progress
) -> Runs:
    """Every layer on the sequences, fed by the one below.

    Raises RnndiagError (RD007) where a state overflows: those of the captured model were finite.
    """
    runs: Runs = []
    below = recorded.inputs_tbi
    for layer_cells, states in zip(cells, initial, strict=True):
        fed = [below, flipped(below, recorded.lengths)][: len(layer_cells)]
        runs.append(
            [
                run_layer(cell, inputs, state, progress)
                for cell, inputs, state in zip(layer_cells, fed, states, strict=True)
            ]
        )
        _require_finite(runs[-1])
        forward, *reverse = (run.outputs_tbp for run in runs[-1])
        back = [flipped(outputs, recorded.lengths) for outputs in reverse]
        below = np.concatenate([forward, *back], axis=-1)
    return runs


def _require_finite(runs: Sequence[LayerRun]) -> None:
    overflow = [run.overflow_step for run in runs if run.overflow_step is not None]
    if overflow:
        raise RnndiagError(
            InputCode.USAGE,
            f"on the probe's inputs the states overflow at step {min(overflow)}",
            "capture the model of this checkpoint",
        )


def direct_gradients(runs: Runs, recorded: RecordedModule) -> list[list[FloatArray]]:
    """What the loss asks of every state from outside the module, [depth][direction].

    Each of shape (steps, batch, state) in the order of its run: ∂L/∂y at the top; ∂L/∂h_n and
    ∂L/∂c_n at the sequences' ends.
    """
    if recorded.looped:
        return [[_beside_later_steps(runs[0][0].cell, recorded)]]
    sides = len(runs[0])
    found = [[np.zeros(_state_shape(run)) for run in layer_runs] for layer_runs in runs]
    width = runs[-1][0].cell.output_size
    for side, gradient in enumerate(found[-1]):
        half = recorded.output_gradient_tbp[..., side * width : (side + 1) * width]
        gradient[..., :width] = half if side == 0 else flipped(half, recorded.lengths)
    finals = _joined(recorded.final_gradient)
    ends = recorded.lengths - 1, np.arange(len(recorded.lengths))
    for index, final in enumerate(finals):
        found[index // sides][index % sides][ends] += final
    return found


def _joined(states: GivenStates) -> FloatArray:
    """(layers * directions, batch, state)."""
    parts = [states.h_0] if states.c_0 is None else [states.h_0, states.c_0]
    return np.concatenate(parts, axis=-1)


def _state_shape(run: LayerRun) -> tuple[int, int, int]:
    return run.steps, run.inputs_tbi.shape[1], run.cell.state_size


ROUNDINGS = 128.0
"""Of a recorded gradient so many roundings are no part of it: where the loss reaches a state by way
of the next step alone, the difference of the two consists of them. Products of a hundred terms
leave some ten."""


def own_part(whole: FloatArray, later: FloatArray, rounding: float) -> FloatArray:
    """What remains of recorded gradients without the part that comes back through later steps.

    Zero where nothing but rounding remains; `rounding` is relative. Both of shape (..., state).

    >>> own_part(np.array([[3.0, 4.0]]), np.array([[3.0, 4.0 + 1e-15]]), 2.0**-52)
    array([[0., 0.]])
    """
    own = whole - later
    sizes = np.linalg.norm(whole, axis=-1, keepdims=True)
    rest = np.linalg.norm(own, axis=-1, keepdims=True)
    return np.where(rest <= ROUNDINGS * rounding * sizes, 0.0, own)


def _beside_later_steps(cell: Cell, recorded: RecordedModule) -> FloatArray:
    """Of a looped cell's whole gradients what does not come back through the next step.

    g_t = ∂L/∂s_t − J_{t+1}ᵀ ∂L/∂s_{t+1}, each J at the states that were recorded, so that it is
    exact to the rounding of the recorded gradients, however far a trajectory drifts by rounding.
    """
    assert recorded.states is not None
    after = _joined(recorded.states)
    before = np.concatenate([_joined(recorded.initial), after[:-1]])
    whole = np.zeros(after.shape)
    width = cell.output_size
    whole[..., :width] = recorded.output_gradient_tbp
    if recorded.cell_gradient_tbh is not None:
        whole[..., width:] = recorded.cell_gradient_tbh
    pulled = np.empty_like(whole)
    for first in range(0, len(whole), CHUNK):
        some = slice(first, first + CHUNK)
        step = _one_step(cell, recorded.inputs_tbi[some], before[some])
        if recorded.cell_gradient_is_whole:
            through_h = np.arange(cell.state_size) < width
            reaching_c = step.vjp(_flat(whole[some] * through_h)).cell_state
            whole[some, :, width:] -= 0.0 if reaching_c is None else _like(reaching_c, whole[some])
        pulled[some] = _like(step.vjp(_flat(whole[some])).state, whole[some])
    later = np.concatenate([pulled[1:], np.zeros_like(pulled[:1])])
    return own_part(whole, later, recorded.rounding)


def _one_step(cell: Cell, inputs_tbi: FloatArray, before_tbs: FloatArray) -> Linearisation:
    """All of these steps at once, each from its own state: one step of a large batch."""
    run = run_layer(cell, _flat(inputs_tbi), _flat(before_tbs)[0])
    _require_finite([run])
    return run.stretch(0, 1).linearisation


def _flat(values_tbx: FloatArray) -> FloatArray:
    """(1, steps * batch, ...)."""
    return values_tbx.reshape(1, -1, values_tbx.shape[-1])


def _like(flat: FloatArray, values_tbx: FloatArray) -> FloatArray:
    """(steps, batch, ...) again."""
    return np.reshape(flat, (len(values_tbx), -1, flat.shape[-1]))


def state_difference(runs: Sequence[LayerRun], recorded: RecordedModule, depth: int) -> list[float]:
    """By direction: how far the final h is from what the model computed, root mean square."""
    ends = recorded.lengths - 1, np.arange(len(recorded.lengths))
    differences = []
    for side, run in enumerate(runs):
        expected = recorded.final.h_0[depth * len(runs) + side]
        size = float(np.sqrt(np.square(expected).mean()))
        error = float(np.sqrt(np.square(run.outputs_tbp[ends] - expected).mean()))
        differences.append(error / size if size else error)
    return differences
