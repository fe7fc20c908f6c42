"""The gradient of a recorded loss at every step of the sequence, all of its steps together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnndiag.cells.base import FloatArray
from rnndiag.measure.decay import LN10
from rnndiag.measure.gradient import log_rms
from rnndiag.measure.injected import StepNorms
from rnndiag.measure.recorded_run import flipped
from rnndiag.probe.records import RecordedModule


@dataclass(frozen=True)
class LossGradient:
    """log10 ‖∂L/∂h_t‖ over the whole batch of a call; of several calls the root mean square.

    A flat curve is no proof of health (a loss summed over time gives one in a network that forgets
    at once): how long a gradient lasts is what the trace by lag says.
    """

    log10_hidden: FloatArray
    """By position in the sequence, shape (steps,): position t is that of x_t and y_t."""

    log10_cell: FloatArray | None
    """The same of ∂L/∂c_t; of an LSTM only."""

    log10_initial_hidden: float
    """Of ∂L/∂h_0."""

    log10_initial_cell: float | None

    state_difference: float
    """Relative difference between the final h here and in the model that was captured: rounding,
    unless the checkpoint has other weights or the model other parts, such as dropout."""


def loss_gradient(
    norms: StepNorms, recorded: RecordedModule, reverse: bool, state_difference: float
) -> LossGradient:
    """From norms by sample and step, in the order of a layer's run, to the batch's by position."""
    initial_hidden, hidden = _by_position(norms.hidden, recorded, reverse)
    initial_cell, cell = None, None
    if norms.cell_state is not None:
        initial_cell, cell = _by_position(norms.cell_state, recorded, reverse)
    return LossGradient(hidden, cell, initial_hidden, initial_cell, state_difference)


def _by_position(
    log_norms: FloatArray, recorded: RecordedModule, reverse: bool
) -> tuple[float, FloatArray]:
    """Of the initial states, and of every position, in log10."""
    steps = log_norms[1:]
    if reverse:
        steps = flipped(steps, recorded.lengths)
    there = np.arange(len(steps))[:, None] < recorded.lengths
    kept = np.where(there, steps, -np.inf)
    calls = [len(np.unique(recorded.calls[row])) for row in there]
    initial = log_norms[:1], [len(np.unique(recorded.calls))]
    return float(_of_batches(*initial)[0]), _of_batches(kept, calls)


def _of_batches(log_norms_tb: FloatArray, calls: list[int]) -> FloatArray:
    """½ log10 of (Σ over samples of ‖·‖²) / calls, by step."""
    batch = log_norms_tb.shape[1]
    mean = log_rms(log_norms_tb[:, None])
    return np.asarray((mean + 0.5 * np.log(batch / np.asarray(calls))) / LN10)
