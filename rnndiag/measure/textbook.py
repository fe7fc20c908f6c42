"""The product that textbooks show: W_hhᵀ … W_hhᵀ, without the nonlinearity."""

from __future__ import annotations

import numpy as np

from rnndiag.cells import Cell
from rnndiag.cells.base import FloatArray
from rnndiag.cells.elman import ElmanCell
from rnndiag.measure.decay import LN10
from rnndiag.measure.gradient import ScaledVectors, log_rms


def textbook_curve(cell: Cell, seed_nbh: FloatArray, steps: int) -> FloatArray | None:
    """log10 of the seeds' root mean square size after k products with W_hhᵀ, relative to lag 0.

    Shape (steps + 1,), for a plain RNN; None for gated cells, whose W_hh blocks map no state to a
    state.
    """
    if not isinstance(cell, ElmanCell):
        return None
    vectors = ScaledVectors.of(seed_nbh)
    logs = np.empty((steps + 1, *seed_nbh.shape[:2]))
    for lag in range(steps + 1):
        logs[lag] = vectors.log_norm()
        vectors = ScaledVectors.of(vectors.mantissa @ cell.weights.weight_hh, vectors.exponent)
    curve = log_rms(logs)
    return np.asarray((curve - curve[0]) / LN10)
