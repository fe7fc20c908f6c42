"""Krylov spaces: what a large linear map does, from products with vectors alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rnndiag.cells.base import FloatArray

Apply = Callable[[FloatArray], FloatArray]
"""v ↦ A v, shape (n,) to the same."""

CHECKED_EVERY = 25
"""Products between two looks at whether it is enough: a look costs as much as some products."""

INVARIANT = 1e-14
"""Size of a new direction, relative to A's product, below which the space is complete."""


@dataclass(frozen=True)
class Krylov:
    """A Q_m = Q_{m+1} H: an orthonormal basis of the space that A spans from a start."""

    basis: FloatArray
    """Q_{m+1}, its vectors as rows: shape (m + 1, n)."""

    hessenberg: FloatArray
    """H, shape (m + 1, m); its last row is 0 where the space is invariant under A."""


def expand(
    apply: Apply, start: FloatArray, most: int, enough: Callable[[Krylov], bool]
) -> Krylov | None:
    """Arnoldi's factorisation from `start`, (n,), until `enough` or `most` products.

    Orthogonalised twice, which is as good as exactly (Giraud et al. 2005). None where a product is
    not finite.
    """
    most = min(most, len(start))
    basis = np.zeros((most + 1, len(start)))
    hessenberg = np.zeros((most + 1, most))
    basis[0] = start / np.linalg.norm(start)
    for step in range(most):
        vector = apply(basis[step])
        size = float(np.linalg.norm(vector))
        if not np.isfinite(size):
            return None
        known = basis[: step + 1]
        for _ in range(2):
            parts = known @ vector
            vector = vector - parts @ known
            hessenberg[: step + 1, step] += parts
        new = float(np.linalg.norm(vector))
        so_far = Krylov(basis[: step + 2], hessenberg[: step + 2, : step + 1])
        if new <= INVARIANT * size:
            return so_far
        hessenberg[step + 1, step] = new
        basis[step + 1] = vector / new
        if (step + 1) % CHECKED_EVERY == 0 and enough(so_far):
            return so_far
    return Krylov(basis, hessenberg)


def solve(apply: Apply, right: FloatArray, most: int, tolerance: float) -> FloatArray | None:
    """x with A x ≈ right by GMRES (Saad & Schultz 1986): the best x in the Krylov space.

    Until ‖A x − right‖₂ ≤ tolerance ‖right‖₂ or `most` products. None where a product is not
    finite.

    >>> solve(lambda v: np.array([2.0, 4.0]) * v, np.array([1.0, 1.0]), 10, 1e-12).round(12)
    array([0.5 , 0.25])
    """
    size = float(np.linalg.norm(right))
    if size == 0.0:
        return np.zeros_like(right)

    def coordinates(krylov: Krylov) -> FloatArray:
        first = np.zeros(len(krylov.hessenberg))
        first[0] = size
        return np.asarray(np.linalg.lstsq(krylov.hessenberg, first, rcond=None)[0])

    def close(krylov: Krylov) -> bool:
        missing = krylov.hessenberg @ coordinates(krylov)
        missing[0] -= size
        return bool(np.linalg.norm(missing) <= tolerance * size)

    krylov = expand(apply, right, most, close)
    if krylov is None:
        return None
    return np.asarray(coordinates(krylov) @ krylov.basis[:-1])
