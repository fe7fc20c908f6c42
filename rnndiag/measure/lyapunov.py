"""Growth rates of small perturbations along a trajectory: the leading Lyapunov exponents."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rnndiag.cells.base import FloatArray
from rnndiag.measure.decay import BLOCKS
from rnndiag.rollout import LayerRun

TRANSIENT = 0.1
"""Share of the steps left out while the tangents turn into the growing directions."""


@dataclass(frozen=True)
class LyapunovSpectrum:
    """Mean exponential growth rates of small state perturbations, largest first."""

    exponents: FloatArray
    """Shape (k,), nats per step; -inf where a direction is lost in one step."""

    standard_error: float | None
    """Of the largest exponent, from 10 blocks' means, nats per step; None if too few steps."""


def measure_lyapunov(run: LayerRun, count: int | None = 1, seed: int = 0) -> LyapunovSpectrum:
    """The `count` leading exponents of one layer given its inputs, all of them for None.

    Orthonormal tangents are carried by the step Jacobian and made orthonormal again by QR at each
    step; the exponents are the means of ln |R_ii| over steps and samples (Benettin et al. 1980).
    They belong to the whole state: of an LSTM, h and c together.

    >>> from rnndiag.cells import CELLS, LayerWeights
    >>> weights = LayerWeights(np.eye(2), np.diag([0.5, 0.9]), np.zeros(2), np.full(2, 1.0),
    ...                        activation="relu")
    >>> from rnndiag.rollout import run_layer
    >>> run = run_layer(CELLS["rnn"](weights), np.zeros((300, 1, 2)), np.ones((1, 2)))
    >>> np.round(np.exp(measure_lyapunov(run, None).exponents), 6)
    array([0.9, 0.5])
    """
    width = run.cell.state_size if count is None else min(count, run.cell.state_size)
    if run.steps == 0:
        return LyapunovSpectrum(np.full(width, np.nan), None)
    log_growth = _log_growth(run, width, seed)[int(TRANSIENT * run.steps) :]
    # A lost direction is -inf in one step and so on the average, which is the right limit.
    return LyapunovSpectrum(
        exponents=np.sort(log_growth.mean(axis=0))[::-1],
        standard_error=_standard_error(log_growth[:, 0]),
    )


def _log_growth(run: LayerRun, width: int, seed: int) -> FloatArray:
    """ln |R_ii| by step, the mean over samples: shape (steps, width)."""
    batch, size = run.starts[0].shape
    start = np.random.default_rng([seed, 3]).standard_normal((batch, size, width))
    tangents = np.moveaxis(np.linalg.qr(start)[0], -1, 0)
    logs = np.empty((run.steps, width))
    with np.errstate(divide="ignore"):
        for step, jacobian in enumerate(run.linearised()):
            tangents, stretch = _orthonormal(jacobian.jvp(tangents))
            logs[step] = np.log(stretch).mean(axis=0)
    return logs


def _orthonormal(tangents_kbs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Orthonormal tangents with the same span, and |R_ii| of shape (batch, k)."""
    q, r = np.linalg.qr(np.moveaxis(tangents_kbs, 0, -1))
    return np.moveaxis(q, -1, 0), np.abs(np.diagonal(r, axis1=-2, axis2=-1))


def _standard_error(values: FloatArray) -> float | None:
    if len(values) < 2 * BLOCKS or not np.isfinite(values).all():
        return None
    means = np.array([block.mean() for block in np.array_split(values, BLOCKS)])
    return float(means.std(ddof=1) / math.sqrt(BLOCKS))
