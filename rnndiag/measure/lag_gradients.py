"""What every lag adds to the gradient of a stack's parameters, as inner products between lags.

A step adds δu ⊗ [x, h, 1] to a layer's gradient. Inner products of such outer products are products
of inner products, <a ⊗ x, b ⊗ y> = (a·b)(x·y), so that the matrix D_kl = <G_k, G_l> of all lags
needs no gradient of the size of the parameters, and every way to cut the lags follows from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rnndiag.cells import Pullback
from rnndiag.cells.base import FloatArray
from rnndiag.measure.gradient import ZERO_EXPONENT, ScaledVectors, brought
from rnndiag.measure.gram import Factors, Gram, compare
from rnndiag.progress import Progress, Silent
from rnndiag.rollout import LayerRun, Stretch, chunk_bounds

LAG_LIMIT = 3000
"""Lags that are compared: some matrices of 3000 × 3000 numbers, 72 MB each."""

FACTOR_BYTES = 2**28
"""What is kept of all lags, samples and layers to compare them; of larger networks, fewer lags."""


@dataclass(frozen=True)
class Losses:
    """At which steps the loss looks, and what it sends back from there."""

    steps: tuple[int, ...]
    """Steps, counted from 1, whose outputs of the top layer are looked at."""

    cotangents_anbh: FloatArray
    """∂L/∂h there, shape (steps looked at, losses, batch, output); each loss is one of its own."""

    independent: bool
    """Whether they are random, with mean zero, and independent of each other between steps and
    samples, for a loss that is not known. The gradients of different samples are then uncorrelated,
    E<g_a, g_b> = 0, so E‖Σ g‖² = Σ E‖g‖²: only products within one sample count. A known loss has
    one gradient, the sum over samples, and all products of samples count."""

    @classmethod
    def at_the_end(cls, steps: int, cotangent_nbh: FloatArray, independent: bool) -> Losses:
        """One loss step, the last of so many."""
        return cls((steps,), cotangent_nbh[None], independent)


class _Outer(NamedTuple):
    """Factors of outer products left ⊗ right: one parameter's share of the gradient by lag."""

    left: ScaledVectors
    """Shape (losses, samples, lags, rows)."""

    right: ScaledVectors
    """Shape (samples, lags, columns)."""


def measure_lag_gradients(
    runs: Sequence[LayerRun],
    losses: Losses,
    biases: bool = True,
    progress: Progress | None = None,
) -> Gram:
    """Inner products of the lags' gradients, for a stack of one direction run over the same steps.

    Lag k of a loss at step s is step s − k: G_k = Σ over loss steps, samples and layers of
    δu_{s−k} ⊗ [x, h_{s−k−1}, 1]; a GRU's candidate has r ⊙ δu_n on the side of h, and a projection
    ∂L/∂h ⊗ (o ⊙ tanh c). `biases`: whether the module has any, so that the ones count. At most
    LAG_LIMIT lags are compared, and no more than FACTOR_BYTES hold.

    A relative part of 1e-16 of the largest lag's gradient is lost, however large or small that is.
    """
    progress = progress or Silent()
    lags = min(max(losses.steps), LAG_LIMIT, lags_that_fit(runs, losses))
    anchors = []
    for step, cotangent_nbh in zip(losses.steps, losses.cotangents_anbh, strict=True):
        cut = [run.first(step, run.overflow_step) for run in runs]
        anchors.append(_outers(cut, cotangent_nbh, min(lags, step), biases, progress))
    joined = [_joined(outers, lags) for outers in zip(*anchors, strict=True)]
    batch = losses.cotangents_anbh.shape[2]
    return compare(_on_one_scale(joined), losses.independent, batch)


def lags_that_fit(runs: Sequence[LayerRun], losses: Losses) -> int:
    """How many lags of all these losses FACTOR_BYTES hold, at least 1."""
    anchors, count, batch, _ = losses.cotangents_anbh.shape
    per_lag = 8 * anchors * batch * sum(map(sum, (_widths(run, count) for run in runs)))
    return max(1, FACTOR_BYTES // int(per_lag))


def _widths(run: LayerRun, count: int) -> tuple[int, int]:
    """Numbers that a sample's lag takes: δu, with what a GRU has on h's side, and x, h, 1."""
    rows, columns = run.cell.weights.weight_hh.shape
    return 2 * count * int(rows), run.inputs_tbi.shape[2] + int(columns) + 2


def _outers(
    runs: Sequence[LayerRun],
    cotangent_nbh: FloatArray,
    lags: int,
    biases: bool,
    progress: Progress,
) -> list[_Outer]:
    """The factors of one loss step, the last of the runs, at lags 0 … lags − 1."""
    collected = [_Collector(run, lags, biases) for run in runs]
    for step in _backward(runs, cotangent_nbh, lags):
        collected[step.depth].add(step)
        progress.advance(1)
    return [outer for collector in collected for outer in collector.outers()]


class _Step(NamedTuple):
    """One layer's step on the way back."""

    depth: int
    gradient: ScaledVectors
    """∂L/∂s after it, shape (losses, batch, state)."""

    pullback: Pullback
    """Of the gradient's mantissa."""

    chunk: Stretch
    position: int
    """Of the step within the chunk."""


def _backward(runs: Sequence[LayerRun], cotangent_nbh: FloatArray, lags: int) -> Iterator[_Step]:
    """The recursion of `trace_gradients`, up to so many lags: last step first, from the top."""
    shape = cotangent_nbh.shape[:2]
    gradients = [ScaledVectors.of(np.zeros((*shape, run.cell.state_size))) for run in runs]
    gradients[-1] = ScaledVectors.of(_widen(cotangent_nbh, runs[-1].cell.state_size))
    steps = runs[0].steps
    for first, last in chunk_bounds(steps, backward=True):
        chunks = [run.stretch(first, last) for run in runs]
        for index in reversed(range(max(0, steps - lags - first), last - first)):
            for depth in reversed(range(len(runs))):
                before = gradients[depth]
                pullback = chunks[depth].linearisation[index].vjp(before.mantissa)
                yield _Step(depth, before, pullback, chunks[depth], index)
                gradients[depth] = ScaledVectors.of(pullback.state, before.exponent)
                if depth > 0:
                    injected = pullback.drive @ runs[depth].cell.weights.weight_ih
                    widened = _widen(injected, runs[depth - 1].cell.state_size)
                    gradients[depth - 1] = gradients[depth - 1].plus(widened, before.exponent)
        if steps - first >= lags:
            return


def _widen(hidden: FloatArray, width: int) -> FloatArray:
    """A gradient with respect to h as one with respect to the whole state."""
    missing = [(0, 0)] * (hidden.ndim - 1) + [(0, width - hidden.shape[-1])]
    return np.pad(hidden, missing)


class _Collector:
    """One layer's factors, lag by lag."""

    def __init__(self, run: LayerRun, lags: int, biases: bool) -> None:
        self._run, self._lags, self._biases = run, lags, biases
        self._drive: list[ScaledVectors] = []
        self._recurrent: list[ScaledVectors] = []
        self._hidden: list[ScaledVectors] = []
        self._unprojected: list[FloatArray] = []

    def add(self, step: _Step) -> None:
        """The next lag."""
        exponent = step.gradient.exponent
        self._drive.append(ScaledVectors.of(step.pullback.drive, exponent))
        # But for a GRU both are one array, and the two products with it are one.
        if step.pullback.recurrent is not step.pullback.drive:
            self._recurrent.append(ScaledVectors.of(step.pullback.recurrent, exponent))
        unprojected = step.chunk.cell.unprojected(
            step.chunk.preactivations_tbg[step.position], step.chunk.states_tbs[step.position + 1]
        )
        if unprojected is not None:
            width = self._run.cell.output_size
            self._hidden.append(ScaledVectors.of(step.gradient.mantissa[..., :width], exponent))
            self._unprojected.append(unprojected)

    def outers(self) -> Iterator[_Outer]:
        """Factors of the gradient of every parameter of the layer."""
        x, h = self._with_ones(self._inputs()), self._with_ones(self._states())
        if self._recurrent:
            yield _Outer(_stacked(self._drive), _by_sample(x))
            yield _Outer(_stacked(self._recurrent), _by_sample(h))
        else:
            yield _Outer(_stacked(self._drive), _by_sample(np.concatenate([x, h], axis=-1)))
        if self._unprojected:
            yield _Outer(_stacked(self._hidden), _by_sample(np.stack(self._unprojected)))

    def _inputs(self) -> FloatArray:
        """What the layer was fed at every lag, (lags, batch, input)."""
        steps = self._run.steps
        return self._run.inputs_tbi[steps - self._lags : steps][::-1]

    def _states(self) -> FloatArray:
        """The h that every lag's step started from, (lags, batch, output)."""
        width, steps = self._run.cell.output_size, self._run.steps
        initial = self._run.starts[0][None, :, :width]
        before = np.concatenate([initial, self._run.outputs_tbp[: steps - 1]])
        return before[steps - self._lags :][::-1]

    def _with_ones(self, vectors: FloatArray) -> FloatArray:
        ones = np.ones((*vectors.shape[:-1], int(self._biases)))
        return np.concatenate([vectors, ones], axis=-1)


def _stacked(by_lag: Sequence[ScaledVectors]) -> ScaledVectors:
    """Shape (losses, batch, lags, rows) of vectors (losses, batch, rows) by lag."""
    return ScaledVectors(
        np.stack([vectors.mantissa for vectors in by_lag], axis=2),
        np.stack([vectors.exponent for vectors in by_lag], axis=2),
    )


def _by_sample(vectors_kbc: FloatArray) -> ScaledVectors:
    """Shape (batch, lags, columns)."""
    return ScaledVectors.of(vectors_kbc.swapaxes(0, 1))


def _joined(outers: Sequence[_Outer], lags: int) -> _Outer:
    """The factors of several loss steps as those of more samples."""
    return _Outer(
        _join([outer.left for outer in outers], 1, lags),
        _join([outer.right for outer in outers], 0, lags),
    )


def _join(parts: Sequence[ScaledVectors], axis: int, lags: int) -> ScaledVectors:
    """Side by side along the samples' axis; lags that one lacks, having begun later, are zero."""
    if len(parts) == 1:
        return parts[0]
    filled = [_filled(part, axis + 1, lags - part.exponent.shape[axis + 1]) for part in parts]
    return ScaledVectors(
        np.concatenate([part.mantissa for part in filled], axis),
        np.concatenate([part.exponent for part in filled], axis),
    )


def _filled(part: ScaledVectors, axis: int, missing: int) -> ScaledVectors:
    behind = [(0, missing if k == axis else 0) for k in range(part.mantissa.ndim)]
    return ScaledVectors(
        np.pad(part.mantissa, behind),
        np.pad(part.exponent, behind[:-1], constant_values=ZERO_EXPONENT),
    )


def _on_one_scale(outers: Sequence[_Outer]) -> list[Factors]:
    """Plain numbers: everything relative to the largest product of two factors."""
    exponents = [outer.left.exponent + outer.right.exponent for outer in outers]
    largest = max(int(of_outer.max()) for of_outer in exponents)
    return [
        Factors(brought(outer.left.mantissa, of_outer - largest), outer.right.mantissa)
        for outer, of_outer in zip(outers, exponents, strict=True)
    ]
