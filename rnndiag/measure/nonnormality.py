"""How far a matrix is from normal, and how far its computed eigenvalues may be from the true."""

from __future__ import annotations

import math

import numpy as np

from rnndiag.cells.base import FloatArray
from rnndiag.measure.eigenvalues import ComplexArray, sorted_eigenvalues
from rnndiag.measure.norms import frobenius

RANDOM_HENRICI = math.sqrt(0.5)
"""Henrici's number of a large i.i.d. matrix: its eigenvalues fill a disc evenly, Σ|λ|² = ‖W‖_F²/2
(Ginibre 1965). What a trained matrix's is to be compared with."""


def henrici(matrix: FloatArray, eigenvalues: ComplexArray | None = None) -> float:
    """Henrici's departure from normality, relative to the Frobenius norm; 0 for a zero matrix.

    >>> henrici(np.array([[0.0, 1.0], [0.0, 0.0]]))
    1.0
    """
    values = sorted_eigenvalues(matrix) if eigenvalues is None else eigenvalues
    total = frobenius(matrix)
    if total == 0.0:
        return 0.0
    missing = 1.0 - float(np.square(np.abs(values) / total).sum())
    # Rounding leaves n·ε of a normal matrix, whose root would look like something.
    return math.sqrt(missing) if missing > len(matrix) * np.finfo(np.float64).eps else 0.0


SMALLEST_SHIFT = 1e-6
"""Shift of an eigenvalue, relative to its modulus, up to which first-order theory is used."""

BISECTIONS = 12
"""Halvings, on a log scale, of the six decades above that: a factor of 1.003 is left."""


def radius_uncertainty(matrix: FloatArray, eigenvalue: complex, norm: float) -> float:
    """How far towards 0 rounding can have moved the eigenvalue of largest modulus.

    The largest d ≤ ρ for which z = λ(1 − d/ρ) is an eigenvalue of W + E for some ‖E‖₂ ≤ δ, that
    is σ_min(zI − W) ≤ δ, with δ = n·ε·‖W‖₂, the backward error of the QR algorithm: λ's own part of
    the δ-pseudospectrum (Trefethen & Embree 2005). For a small d that is δ times λ's condition
    number. The eigenvalues of Wᵀ do not show it: they are wrong by as much as those of W.

    >>> jordan = 0.9 * np.eye(8) + np.diag(np.ones(7), 1)
    >>> round(radius_uncertainty(jordan, 0.9, 1.87), 2)  # about δ^(1/8)
    0.02
    """
    radius = abs(eigenvalue)
    if radius == 0.0:
        return 0.0
    # In units of ρ, so that nothing over- or underflows.
    with np.errstate(over="ignore"):
        scaled, direction = matrix / radius, eigenvalue / radius
    if not np.isfinite(scaled).all():
        return radius
    delta = len(matrix) * float(np.finfo(np.float64).eps) * (norm / radius)

    def sigma_min(shift: float) -> float:
        shifted = direction * (1.0 - shift) * np.eye(len(matrix)) - scaled
        return float(np.linalg.svd(shifted, compute_uv=False)[-1])

    smallest = sigma_min(SMALLEST_SHIFT)
    if smallest > delta:
        return radius * delta * SMALLEST_SHIFT / smallest
    reached, beyond = math.log(SMALLEST_SHIFT), 0.0
    if sigma_min(1.0) <= delta:
        return radius
    for _ in range(BISECTIONS):
        middle = (reached + beyond) / 2.0
        reached, beyond = (
            (middle, beyond) if sigma_min(math.exp(middle)) <= delta else (reached, middle)
        )
    return radius * math.exp(reached)
