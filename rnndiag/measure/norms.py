"""Norms of matrices of any size and scale; the spectral norm of a large one with a proof."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np

from rnndiag.cells.base import FloatArray
from rnndiag.measure.eigenvalues import leading_eigenvalues

LARGEST_SVD = 256
"""Order up to which the singular values are computed; beyond, their largest is several times
cheaper by Lanczos, 30 times at 2048."""

PROVED = 1e-9
"""Relative width of the interval that a large matrix's spectral norm is proved to lie in: far above
the rounding of its Gram matrix, n·ε, and far below the six digits that are judged."""


class SpectralNorm(NamedTuple):
    """‖W‖₂ and how it was found."""

    value: float
    method: Literal["svd", "lanczos"]

    tolerance: float
    """How far above `value` the true norm may lie, relative; 0 for an SVD, exact to rounding."""


def spectral_norm(matrix: FloatArray) -> SpectralNorm:
    """‖W‖₂ = σ₁ of a matrix (n, m).

    Large: Lanczos on WᵀW gives a unit vector v and so a lower bound ‖W v‖; that the norm is at most
    1 + 1e-9 times that is proved by a Cholesky factor of s² I − WᵀW, which exists only for
    s > ‖W‖₂. Where the proof fails, the singular values are computed after all.

    >>> spectral_norm(np.diag([3.0, 4.0])).value
    4.0
    """
    if min(matrix.shape) > LARGEST_SVD:
        exponent = largest_exponent(matrix)
        scaled = np.ldexp(matrix, -exponent)
        found = _largest_singular_value(scaled)
        if found is not None and _bounds(found * (1.0 + PROVED), scaled):
            return SpectralNorm(math.ldexp(found, exponent), "lanczos", PROVED)
    return SpectralNorm(float(np.linalg.norm(matrix, 2)), "svd", 0.0)


def _largest_singular_value(matrix: FloatArray) -> float | None:
    # The eigenvalue is a square: a residual of PROVED leaves half of that in its root.
    found = leading_eigenvalues(lambda v: matrix.T @ (matrix @ v), matrix.shape[1], 1, PROVED)
    return None if found is None else math.sqrt(found.radius)


def _bounds(bound: float, matrix: FloatArray) -> bool:
    """Whether ‖W‖₂ < bound, by Cholesky."""
    gram = matrix.T @ matrix if matrix.shape[1] <= matrix.shape[0] else matrix @ matrix.T
    try:
        np.linalg.cholesky(bound**2 * np.eye(len(gram)) - gram)
    except np.linalg.LinAlgError:
        return False
    return True


def frobenius(matrix: FloatArray) -> float:
    """‖W‖_F; the squares of entries such as 1e200 or 1e-200 do not leave float64's range.

    >>> round(frobenius(np.array([[3e200, 4e200]])) / 1e200, 12)
    5.0
    """
    exponent = largest_exponent(matrix)
    return float(np.ldexp(np.linalg.norm(np.ldexp(matrix, -exponent)), exponent))


def largest_exponent(matrix: FloatArray) -> int:
    """e such that the largest |entry| is in [½, 1) · 2^e."""
    return int(np.frexp(np.abs(matrix).max(initial=0.0))[1])


def norm_bound(matrix: FloatArray) -> float:
    """At least ‖W‖₂: the smaller of ‖W‖_F and √(‖W‖₁ ‖W‖_∞)."""
    size = np.abs(matrix)
    rows, columns = float(size.sum(axis=1).max()), float(size.sum(axis=0).max())
    return min(frobenius(matrix), math.sqrt(rows) * math.sqrt(columns))
