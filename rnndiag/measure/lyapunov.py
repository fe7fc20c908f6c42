"""Growth rates of small perturbations along a trajectory: the leading Lyapunov exponents."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnndiag.cells.base import FloatArray, Linearisation
from rnndiag.measure.decay import BLOCKS, STUDENT_975
from rnndiag.measure.gradient import log_norm
from rnndiag.rollout import CHUNK, LayerRun

TRANSIENT = 0.1
"""Share of the steps left out while the tangents turn into the growing directions."""

FLATTEST = 1e-9
"""Smallest |R_ii| beside R's longest column. QR rounds it by about 1e-16 / 1e-9 of itself, which
leaves seven digits of a growth. Steps that make the tangents flatter go in smaller groups."""

COVERING = STUDENT_975[BLOCKS - 2]
"""Standard errors on either side of a mean of 10 blocks that hold 95 %; of infinitely many, 1.96
would do, and 2 hold 92 %."""

SMALLEST = 1e-200
"""Of |R_ii|: far above 1e-308, from where on numbers have fewer digits."""


@dataclass(frozen=True)
class LyapunovSpectrum:
    """Mean exponential growth rates of small state perturbations, largest first."""

    exponents: FloatArray
    """Shape (k,), nats per step, the mean over the living samples; -inf where one of them loses a
    direction in one step, or where none lives."""

    standard_error: float | None
    """Of the largest exponent, from 10 blocks' means, nats per step; None if too few steps."""

    samples: int
    """Trajectories that were followed."""

    living: int
    """Those of them in which some perturbation lives on. In the others a product of step Jacobians
    is exactly zero, as in a ReLU network at rest: their exponents are all -inf, and a mean over
    both would be -inf beside a gradient that explodes."""

    @property
    def margin(self) -> float | None:
        """Half the width of the largest exponent's 95 % interval; None if too few steps."""
        return None if self.standard_error is None else COVERING * self.standard_error


def measure_lyapunov(run: LayerRun, count: int | None = 1, seed: int = 0) -> LyapunovSpectrum:
    """The `count` leading exponents of one layer given its inputs, all of them for None.

    Orthonormal tangents are carried by the step Jacobians and made orthonormal again by QR; the
    exponents are the means of ln |R_ii| over steps (Benettin et al. 1980) and over the samples that
    any perturbation outlives: an exponent belongs to one trajectory. The R of a group of steps is
    the product of theirs, so that QR is needed only where the tangents get too flat for it. The
    exponents belong to the whole state: of an LSTM, h and c together.

    >>> from rnndiag.cells import CELLS, LayerWeights
    >>> weights = LayerWeights(np.eye(2), np.diag([0.5, 0.9]), np.zeros(2), np.full(2, 1.0),
    ...                        activation="relu")
    >>> from rnndiag.rollout import run_layer
    >>> run = run_layer(CELLS["rnn"](weights), np.zeros((300, 1, 2)), np.ones((1, 2)))
    >>> np.round(np.exp(measure_lyapunov(run, None).exponents), 6)
    array([0.9, 0.5])
    """
    width = run.cell.state_size if count is None else min(count, run.cell.state_size)
    batch = run.outputs_tbp.shape[1]
    if run.steps == 0:
        return LyapunovSpectrum(np.full(width, np.nan), None, batch, batch)
    total, leading = _log_growth(run, width, seed)
    # Where i random tangents have become dependent, no i of them are independent: all after it are
    # lost with the i-th. QR puts new directions in their places, which mean nothing.
    total[np.logical_or.accumulate(np.isneginf(total), axis=1)] = -np.inf
    living = ~np.isneginf(total[:, 0])
    # A direction that one living sample loses is -inf on their average, which is the right limit.
    mean = total[living].mean(axis=0) if living.any() else np.full(width, -np.inf)
    return LyapunovSpectrum(
        exponents=np.sort(mean / (run.steps - _transient(run)))[::-1],
        standard_error=_standard_error(leading[:, living].mean(axis=1)) if living.any() else None,
        samples=batch,
        living=int(living.sum()),
    )


PASSES = 6
"""Times that a run's steps are gone through for its sustained rate. A stable layer of 12 units
whose gradient grows for 108 steps has left that behind in the third pass of 60 steps."""


def sustained_rate(run: LayerRun, seed: int = 0) -> float:
    """Growth of a perturbation in nats a step, the run's steps being repeated for ever.

    ln |μ| / T of the leading eigenvalue μ of J_T … J_1, by PASSES of power iteration: the mean over
    the last of them and over samples. A chaotic trajectory's is its exponent, up to O(1/T). A
    stable, non-normal layer grows for as long as its transient lasts, and one pass over fewer steps
    than that cannot tell the two apart. NaN for a run without steps, -inf where a product is zero.

    >>> from rnndiag.cells import CELLS, LayerWeights
    >>> weights = LayerWeights(np.eye(2), np.array([[0.9, 5.0], [0.0, 0.9]]), np.zeros(2),
    ...                        np.full(2, 1.0), activation="relu")
    >>> from rnndiag.rollout import run_layer
    >>> run = run_layer(CELLS["rnn"](weights), np.zeros((20, 1, 2)), np.ones((1, 2)))
    >>> bool(measure_lyapunov(run).exponents[0] > 0), bool(sustained_rate(run) < 0)
    (True, True)
    """
    if run.steps == 0:
        return math.nan
    tangents = np.random.default_rng([seed, 5]).standard_normal(run.starts[0].shape)
    grown = np.zeros(len(tangents))
    for _ in range(PASSES):
        grown = np.zeros(len(tangents))
        for jacobian in run.linearised():
            moved = jacobian.jvp(tangents)
            size = log_norm(moved)
            grown += size
            with np.errstate(invalid="ignore"):
                tangents = np.where(np.isfinite(size)[:, None], moved / np.exp(size)[:, None], 0.0)
    return float(grown.mean() / run.steps)


def _transient(run: LayerRun) -> int:
    return int(TRANSIENT * run.steps)


def _log_growth(run: LayerRun, width: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """After the transient: Σ ln |R_ii|, (batch, width), and ln R_11 by step, (steps, batch).

    They are equal within a group of steps.
    """
    batch, size = run.starts[0].shape
    start = np.random.default_rng([seed, 3]).standard_normal((batch, size, width))
    tangents = np.moveaxis(np.linalg.qr(start)[0], -1, 0)
    total, leading = np.zeros((batch, width)), np.empty((run.steps, batch))
    ends = _ends(run)
    length, group = 1, list[Linearisation]()
    # What overflows on the way is not flat enough either, and so taken again in smaller groups.
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        for step, jacobian in enumerate(run.linearised(), start=1):
            group.append(jacobian)
            if len(group) < length and step not in ends:
                continue
            tangents, grown, flatness = _carried(group, tangents)
            leading[step - len(group) : step] = grown[..., 0]
            if step > _transient(run):
                total += grown.sum(axis=0)
            # Twice as many steps are about flatness² flat.
            length = min(2 * length, CHUNK) if flatness**2 > FLATTEST else len(group)
            if not flatness > FLATTEST:
                length = max(1, length // 2)
            group = []
    return total, leading[_transient(run) :]


def _ends(run: LayerRun) -> set[int]:
    """Steps after which a mean may begin or end: the transient's last, each block's last."""
    kept = np.arange(_transient(run), run.steps, dtype=np.float64)
    return {_transient(run), *(int(block[-1]) + 1 for block in _blocks(kept) if block.size)}


def _carried(
    jacobians: Sequence[Linearisation], tangents_kbs: FloatArray
) -> tuple[FloatArray, FloatArray, float]:
    """Tangents after some steps, ln |R_ii| by step (steps, batch, k), and how flat they had got."""
    moved = tangents_kbs
    for jacobian in jacobians:
        moved = jacobian.jvp(moved)
    q, r = np.linalg.qr(np.moveaxis(moved, 0, -1))
    stretch = np.abs(np.diagonal(r, axis1=-2, axis2=-1))
    smallest = stretch.min(initial=np.inf)
    flatness = float(smallest / np.linalg.norm(r, axis=-2).max()) if smallest > SMALLEST else 0.0
    if len(jacobians) > 1 and not flatness > FLATTEST:
        half = len(jacobians) // 2
        tangents, first, _ = _carried(jacobians[:half], tangents_kbs)
        tangents, second, _ = _carried(jacobians[half:], tangents)
        return tangents, np.concatenate([first, second]), flatness
    growth = np.log(stretch) / len(jacobians)
    return np.moveaxis(q, -1, 0), np.tile(growth, (len(jacobians), 1, 1)), flatness


def _blocks(values: FloatArray) -> list[FloatArray]:
    return np.array_split(values, BLOCKS)


def _standard_error(values: FloatArray) -> float | None:
    if len(values) < 2 * BLOCKS or not np.isfinite(values).all():
        return None
    means = np.array([block.mean() for block in _blocks(values)])
    return float(means.std(ddof=1) / math.sqrt(BLOCKS))
