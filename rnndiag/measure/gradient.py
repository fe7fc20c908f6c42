"""The gradient at every lag of back-propagation through time, through a whole stack.

One loss at the last step seeds the top layer; the recursion of the step Jacobians' transposes runs
backwards. Every vector is kept as mantissa · 2^exponent and rescaled at each step, exactly, so that
a gradient of 1e-500 or 1e+500 is as exact as one of size 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnndiag.cells.base import FloatArray
from rnndiag.cells.lstm import LSTMLinearisation
from rnndiag.rollout import LayerRun

IntArray = npt.NDArray[np.int64]

LN2 = float(np.log(2.0))

ZERO_EXPONENT = -(2**50)
"""Exponent of an all-zero vector: below every other one."""


@dataclass(frozen=True)
class GradientNorms:
    """Natural logarithms of the gradients' norms of one layer; -inf where a gradient is zero."""

    hidden: FloatArray
    """ln ‖∂L/∂h_{T-k}‖ by lag, shape (steps + 1, cotangents, batch)."""

    cell_state: FloatArray | None
    """ln ‖∂L/∂c_{T-k}‖ with what reaches c through h, the same shape; of an LSTM only."""

    exposure: FloatArray | None
    """Mean o(1 − tanh² c) of each memory cell, shape (hidden,); of an LSTM that ran a step only."""


def log_rms(log_norms: FloatArray) -> FloatArray:
    """ln of the root mean square of exp(log_norms) over the last two axes, at any scale.

    >>> round(float(np.exp(2 * log_rms(np.log([[3.0, 4.0]])))), 12)
    12.5
    """
    flat = log_norms.reshape(*log_norms.shape[:-2], -1)
    peak = flat.max(axis=-1, keepdims=True)
    peak = np.where(np.isfinite(peak), peak, 0.0)
    with np.errstate(divide="ignore"):
        mean = np.log(np.exp(2.0 * (flat - peak)).mean(axis=-1))
    return np.asarray(0.5 * mean + peak[..., 0])


@dataclass(frozen=True)
class ScaledVectors:
    """Vectors of any size: mantissa · 2^exponent, the largest entry of each mantissa in [½, 1)."""

    mantissa: FloatArray
    """Shape (..., n)."""

    exponent: IntArray
    """Shape (...)."""

    @classmethod
    def of(cls, vectors: FloatArray, exponent: IntArray | int = 0) -> ScaledVectors:
        """Rescale vectors · 2^exponent; a multiplication by a power of two rounds nothing."""
        peak = np.abs(vectors).max(axis=-1, initial=0.0)
        # frexp gives 32-bit exponents, in which ZERO_EXPONENT would wrap around.
        shift = np.frexp(peak)[1].astype(np.int64)
        scaled = np.ldexp(vectors, -shift[..., None])
        return cls(scaled, np.where(peak > 0.0, shift + exponent, ZERO_EXPONENT))

    def plus(self, other: ScaledVectors) -> ScaledVectors:
        """The sum; the smaller one is lost where it is 2^-2000 of the larger, as it must be."""
        common = np.maximum(self.exponent, other.exponent)
        total = self._brought_to(common) + other._brought_to(common)
        return ScaledVectors.of(total, common)

    def log_norm(self, width: int | None = None) -> FloatArray:
        """Natural logarithm of the Euclidean norm of the first `width` entries."""
        part = self.mantissa[..., :width]
        # Rescaled once more: the part may be far below the whole vector's scale.
        own = ScaledVectors.of(part, self.exponent)
        with np.errstate(divide="ignore"):
            log_mantissa = 0.5 * np.log(np.square(own.mantissa).sum(axis=-1))
        return np.asarray(log_mantissa + own.exponent * LN2)

    def _brought_to(self, exponent: IntArray) -> FloatArray:
        shift = np.maximum(self.exponent - exponent, -2000).astype(np.int32)
        return np.asarray(np.ldexp(self.mantissa, shift[..., None]))


def trace_gradients(
    runs: Sequence[LayerRun], cotangent_nbh: FloatArray
) -> tuple[GradientNorms, ...]:
    """Norms by layer, bottom to top, for a stack of one direction run over the same steps.

    `cotangent_nbh` is ∂L/∂h_T of the top layer, shape (cotangents, batch, output).
    """
    steps = runs[0].steps
    gradients = _seed(runs, cotangent_nbh)
    recorders = [_Recorder(run, cotangent_nbh.shape[:2]) for run in runs]
    for lag in range(steps + 1):
        for depth in reversed(range(len(runs))):
            recorders[depth].hidden(lag, gradients[depth])
            if lag == steps:
                recorders[depth].initial_cell_state(gradients[depth])
                continue
            step = runs[depth].linearisation[steps - 1 - lag]
            pullback = step.vjp(gradients[depth].mantissa)
            exponent = gradients[depth].exponent
            recorders[depth].cell_state(lag, pullback.cell_state, exponent)
            if depth > 0:
                injected = pullback.drive @ runs[depth].cell.weights.weight_ih
                widened = _widen(injected, runs[depth - 1].cell.state_size)
                gradients[depth - 1] = gradients[depth - 1].plus(
                    ScaledVectors.of(widened, exponent)
                )
            gradients[depth] = ScaledVectors.of(pullback.state, exponent)
    return tuple(recorder.result() for recorder in recorders)


def _seed(runs: Sequence[LayerRun], cotangent_nbh: FloatArray) -> list[ScaledVectors]:
    """The cotangent on the top layer's h, zero everywhere else."""
    lead = cotangent_nbh.shape[:2]
    zeros = [ScaledVectors.of(np.zeros((*lead, run.cell.state_size))) for run in runs[:-1]]
    return [*zeros, ScaledVectors.of(_widen(cotangent_nbh, runs[-1].cell.state_size))]


def _widen(hidden: FloatArray, width: int) -> FloatArray:
    """A gradient with respect to h as one with respect to the whole state."""
    missing = width - hidden.shape[-1]
    if not missing:
        return hidden
    return np.concatenate([hidden, np.zeros((*hidden.shape[:-1], missing))], axis=-1)


class _Recorder:
    """Collects one layer's norms, lag by lag."""

    def __init__(self, run: LayerRun, lead: tuple[int, ...]) -> None:
        self.width = run.cell.output_size
        shape = (run.steps + 1, *lead)
        self._hidden = np.empty(shape)
        self._cell_state: FloatArray | None = None
        self._exposure: FloatArray | None = None
        if isinstance(run.linearisation, LSTMLinearisation):
            self._cell_state = np.empty(shape)
            if run.steps:
                self._exposure = run.linearisation.exposure.mean(axis=(0, 1))

    def hidden(self, lag: int, gradient: ScaledVectors) -> None:
        self._hidden[lag] = gradient.log_norm(self.width)

    def cell_state(self, lag: int, total: FloatArray | None, exponent: IntArray) -> None:
        if self._cell_state is not None and total is not None:
            self._cell_state[lag] = ScaledVectors.of(total, exponent).log_norm()

    def initial_cell_state(self, gradient: ScaledVectors) -> None:
        """At c_0 no output is left: its gradient is what the first step handed down."""
        if self._cell_state is not None:
            part = ScaledVectors.of(gradient.mantissa[..., self.width :], gradient.exponent)
            self._cell_state[-1] = part.log_norm()

    def result(self) -> GradientNorms:
        return GradientNorms(self._hidden, self._cell_state, self._exposure)
