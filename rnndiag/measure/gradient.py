"""The gradient at every lag of back-propagation through time, through a whole stack.

One loss at the last step seeds the top layer; the recursion of the step Jacobians' transposes runs
backwards. Every vector is kept as mantissa · 2^exponent and rescaled at each step, exactly, so that
a gradient of 1e-500 or 1e+500 is as exact as one of size 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnndiag.cells import Pullback
from rnndiag.cells.base import FloatArray
from rnndiag.cells.lstm import LSTMLinearisation
from rnndiag.progress import Progress, Silent
from rnndiag.rollout import CHUNK, LayerRun, Stretch, chunk_bounds

IntArray = npt.NDArray[np.int64]

LN2 = math.log(2.0)

ZERO_EXPONENT = -(2**50)
"""Exponent of an all-zero vector: below every other one."""

SAFE_SQUARES = (1e-280, 1e280)
"""Sums of squares between these have lost nothing to under- or overflow."""

SATURATED = math.log(9.0)
"""A gate whose pre-activation is beyond ±ln 9 is below 0.1 or above 0.9: saturated in the sense of
Karpathy, Johnson and Fei-Fei (2015)."""


@dataclass(frozen=True)
class GradientNorms:
    """Natural logarithms of the gradients' norms of one layer; -inf where a gradient is zero."""

    hidden: FloatArray
    """ln ‖∂L/∂h_{T-k}‖ by lag, shape (steps + 1, cotangents, batch)."""

    cell_state: FloatArray | None
    """ln ‖∂L/∂c_{T-k}‖ with what reaches c through h, the same shape; of an LSTM only."""

    recurrent_weight: FloatArray
    """ln of the norm of what the step at lag k adds to ∂L/∂W_hh, (steps, cotangents, batch)."""

    exposure: FloatArray | None
    """Mean o(1 − tanh² c) of each memory cell over the settled half of the run, shape (hidden,); of
    an LSTM that ran a step only."""

    saturated: dict[str, float]
    """By gate: the share of its values over steps, samples and units that are saturated."""


def log_rms(log_norms: FloatArray) -> FloatArray:
    """ln of the root mean square of exp(log_norms) over the last two axes, at any scale.

    >>> round(float(np.exp(2 * log_rms(np.log([[3.0, 4.0]])))), 12)
    12.5
    """
    *lead, cotangents, batch = log_norms.shape
    flat = log_norms.reshape(*lead, cotangents * batch)
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
        first = np.maximum(shift, -1000)
        scaled = vectors * np.ldexp(1.0, -first)[..., None]
        if (first != shift).any():  # the inverse of the smallest numbers' power of two is infinite
            scaled *= np.ldexp(1.0, first - shift)[..., None]
        return cls(scaled, np.where(peak > 0.0, shift + exponent, ZERO_EXPONENT))

    def plus(self, vectors: FloatArray, exponent: IntArray) -> ScaledVectors:
        """The sum with vectors · 2^exponent; of two very different sizes the smaller is lost."""
        common = np.maximum(self.exponent, exponent)
        total = self.brought_to(common)
        return ScaledVectors.of(total + brought(vectors, exponent - common), common)

    def brought_to(self, exponent: IntArray) -> FloatArray:
        """The vectors / 2^exponent, for exponents that are not smaller than their own."""
        return brought(self.mantissa, self.exponent - exponent)

    def log_norm(self, width: int | None = None) -> FloatArray:
        """Natural logarithm of the Euclidean norm of the first `width` entries."""
        return log_norm(self.mantissa[..., :width]) + self.exponent * LN2


def brought(vectors: FloatArray, shift: IntArray) -> FloatArray:
    """Times 2^shift, which is never positive."""
    return np.asarray(vectors * np.ldexp(1.0, np.maximum(shift, -2000).astype(np.int32))[..., None])


def log_norm(vectors: FloatArray) -> FloatArray:
    """ln of the Euclidean norm over the last dimension, whatever the size of its entries.

    >>> log_norm(np.array([[3e-300, 4e-300], [0.0, 0.0]])) / np.log(10)
    array([-299.30103,       -inf])
    """
    with np.errstate(over="ignore"):
        squares = np.einsum("...i,...i", vectors, vectors)
    unsafe = ~((squares > SAFE_SQUARES[0]) & (squares < SAFE_SQUARES[1]))
    with np.errstate(divide="ignore"):
        logs = 0.5 * np.log(squares)
        if unsafe.any():
            extreme = vectors[unsafe]
            peak = np.abs(extreme).max(axis=-1, initial=0.0)
            relative = extreme / np.where(peak > 0.0, peak, 1.0)[..., None]
            logs[unsafe] = np.log(peak) + 0.5 * np.log(np.square(relative).sum(axis=-1))
    return np.asarray(logs)


def trace_gradients(
    runs: Sequence[LayerRun], cotangent_nbh: FloatArray, progress: Progress | None = None
) -> tuple[GradientNorms, ...]:
    """Norms by layer, bottom to top, for a stack of one direction run over the same steps.

    `cotangent_nbh` is ∂L/∂h_T of the top layer, shape (cotangents, batch, output).
    """
    progress = progress or Silent()
    gradients = _seed(runs, cotangent_nbh)
    recorders = [_Recorder(run, cotangent_nbh.shape[:2]) for run in runs]
    for first, last in chunk_bounds(runs[0].steps, backward=True):
        chunks = [run.stretch(first, last) for run in runs]
        for step in reversed(range(last - first)):
            for depth in reversed(range(len(runs))):
                before = gradients[depth]
                pullback = chunks[depth].linearisation[step].vjp(before.mantissa)
                recorders[depth].step(before, pullback)
                gradients[depth] = ScaledVectors.of(pullback.state, before.exponent)
                if depth > 0:
                    injected = pullback.drive @ runs[depth].cell.weights.weight_ih
                    widened = _widen(injected, runs[depth - 1].cell.state_size)
                    gradients[depth - 1] = gradients[depth - 1].plus(widened, before.exponent)
        for recorder, chunk in zip(recorders, chunks, strict=True):
            recorder.end_of_chunk(first, chunk)
        progress.advance(len(runs) * (last - first))
    for recorder, gradient in zip(recorders, gradients, strict=True):
        recorder.initial_state(gradient)
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
    """Collects one layer's norms, chunk by chunk: norms of many vectors at once are cheap."""

    def __init__(self, run: LayerRun, lead: tuple[int, ...]) -> None:
        self._width = run.cell.output_size
        self._steps = run.steps
        self._hidden = np.empty((run.steps + 1, *lead))
        self._cell_state = np.empty_like(self._hidden) if _has_memory(run) else None
        self._recurrent_weight = np.empty((run.steps, *lead))
        self._exposure: FloatArray | None = None
        self._saturated: dict[str, float] = {}
        self._pending: list[tuple[ScaledVectors, Pullback]] = []

    def step(self, gradient: ScaledVectors, pullback: Pullback) -> None:
        """One step's gradient at its end, and what it becomes."""
        self._pending.append((gradient, pullback))

    def end_of_chunk(self, first: int, chunk: Stretch) -> None:
        """Turn what was collected into norms; the steps came last one first."""
        last = first + chunk.steps
        lags = slice(self._steps - last, self._steps - first)
        scale = np.stack([gradient.exponent for gradient, _ in self._pending]) * LN2
        hidden = np.stack([gradient.mantissa[..., : self._width] for gradient, _ in self._pending])
        self._hidden[lags] = log_norm(hidden) + scale
        if self._cell_state is not None:
            memory = [pull.cell_state for _, pull in self._pending if pull.cell_state is not None]
            self._cell_state[lags] = log_norm(np.stack(memory)) + scale
        # One sample's gradient with respect to W_hh is the outer product of these two.
        pulled = log_norm(np.stack([pullback.recurrent for _, pullback in self._pending]))
        fed = log_norm(chunk.states_tbs[:-1, :, : self._width])[::-1, None]
        self._recurrent_weight[lags] = pulled + scale + fed
        self._pending.clear()
        self._add_activity(first, chunk)

    def _add_activity(self, first: int, chunk: Stretch) -> None:
        weight = chunk.steps / self._steps
        for gate, values in chunk.cell.gates(chunk.preactivations_tbg).items():
            count = np.count_nonzero(np.abs(values) > SATURATED)
            share = count / values.size * weight
            self._saturated[gate] = self._saturated.get(gate, 0.0) + share
        settling = settled_from(self._steps)
        if isinstance(chunk.linearisation, LSTMLinearisation) and first >= settling:
            late = chunk.steps / (self._steps - settling)
            mean = chunk.linearisation.exposure.mean(axis=(0, 1)) * late
            self._exposure = mean if self._exposure is None else self._exposure + mean

    def initial_state(self, gradient: ScaledVectors) -> None:
        """The gradient at s_0. No output is left there: c_0's is what the first step hands down."""
        self._hidden[-1] = gradient.log_norm(self._width)
        if self._cell_state is not None:
            memory = log_norm(gradient.mantissa[..., self._width :])
            self._cell_state[-1] = memory + gradient.exponent * LN2

    def result(self) -> GradientNorms:
        return GradientNorms(
            self._hidden, self._cell_state, self._recurrent_weight, self._exposure, self._saturated
        )


def settled_from(steps: int) -> int:
    """The step from which on a run has left where it started: half of it, in whole chunks."""
    return steps // 2 // CHUNK * CHUNK


def _has_memory(run: LayerRun) -> bool:
    """Whether the state has a part that is not h: an LSTM's c."""
    return run.cell.state_size > run.cell.output_size
