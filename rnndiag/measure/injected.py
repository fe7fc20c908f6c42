"""Back-propagation through one layer when a loss reaches its states at any step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnndiag.cells.base import FloatArray
from rnndiag.measure.gradient import LN2, ScaledVectors, log_norm
from rnndiag.progress import Progress, Silent
from rnndiag.rollout import LayerRun, chunk_bounds


@dataclass(frozen=True)
class StepNorms:
    """Natural logarithms of gradients' norms by step of a run, in its own order of time."""

    hidden: FloatArray
    """ln ‖∂L/∂h_t‖, shape (steps + 1, batch), t = 0 being the initial state."""

    cell_state: FloatArray | None
    """ln ‖∂L/∂c_t‖ with what reaches c through h, the same shape; of an LSTM only."""

    recurrent_weight: FloatArray
    """ln of the norm of what step t adds to ∂L/∂W_hh, shape (steps, batch)."""

    inputs: ScaledVectors
    """∂L/∂x_t, (steps, batch, input)."""

    initial: ScaledVectors
    """∂L/∂s_0, (batch, state)."""


def back_propagate(
    run: LayerRun, injected: ScaledVectors, progress: Progress | None = None
) -> StepNorms:
    """∂L/∂s_t = injected_t + J_{t+1}ᵀ ∂L/∂s_{t+1}, and what it does to weights and inputs.

    `injected` is what reaches the states after each step from outside the layer, (steps, batch,
    state): ∂L/∂y_t on h, and on both parts of the last state what the loss asks of it.
    """
    progress = progress or Silent()
    recorder = _Recorder(run, injected.mantissa.shape[1])
    gradient = ScaledVectors.of(np.zeros(injected.mantissa.shape[1:]))
    for first, last in chunk_bounds(run.steps, backward=True):
        chunk = run.stretch(first, last)
        for t in reversed(range(first, last)):
            gradient = gradient.plus(injected.mantissa[t], injected.exponent[t])
            pullback = chunk.linearisation[t - first].vjp(gradient.mantissa)
            fed = log_norm(chunk.states_tbs[t - first, :, : run.cell.output_size])
            recorder.hidden[t + 1] = gradient.log_norm(run.cell.output_size)
            if recorder.cell_state is not None and pullback.cell_state is not None:
                whole = log_norm(pullback.cell_state)
                recorder.cell_state[t + 1] = whole + gradient.exponent * LN2
            recorder.recurrent_weight[t] = (
                log_norm(pullback.recurrent) + gradient.exponent * LN2 + fed
            )
            recorder.inputs[t] = pullback.drive @ run.cell.weights.weight_ih
            recorder.exponents[t] = gradient.exponent
            gradient = ScaledVectors.of(pullback.state, gradient.exponent)
        progress.advance(last - first)
    return recorder.result(gradient)


class _Recorder:
    """Arrays that are filled step by step."""

    def __init__(self, run: LayerRun, batch: int) -> None:
        self._width = run.cell.output_size
        self.hidden = np.empty((run.steps + 1, batch))
        memory = run.cell.state_size > run.cell.output_size
        self.cell_state = np.empty((run.steps + 1, batch)) if memory else None
        self.recurrent_weight = np.empty((run.steps, batch))
        self.inputs = np.empty((run.steps, batch, run.cell.weights.weight_ih.shape[1]))
        self.exponents = np.empty((run.steps, batch), dtype=np.int64)

    def result(self, initial: ScaledVectors) -> StepNorms:
        """With the gradient at s_0, where no output is left between c and the loss."""
        self.hidden[0] = initial.log_norm(self._width)
        if self.cell_state is not None:
            memory = log_norm(initial.mantissa[..., self._width :])
            self.cell_state[0] = memory + initial.exponent * LN2
        inputs = ScaledVectors.of(self.inputs, self.exponents)
        return StepNorms(self.hidden, self.cell_state, self.recurrent_weight, inputs, initial)
