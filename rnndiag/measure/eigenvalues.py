"""Eigenvalues: all of a matrix, or the leading ones of a large map by Arnoldi's iteration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from rnndiag.cells.base import FloatArray
from rnndiag.measure.krylov import Apply, Krylov, expand

ComplexArray = npt.NDArray[np.complex128]

LEADING = 8
"""Eigenvalues of a large map that have to converge, and are reported."""

MOST_PRODUCTS = 400
"""Products with a large map; 250 are enough for 8 eigenvalues of an i.i.d. matrix of order 1024,
the hardest case, where they crowd the edge of a disc."""

CONVERGED = 1e-8
"""Residual, relative to the largest modulus, at which an eigenvalue is taken. Those of trained
matrices, with condition numbers up to about 1e3, are then right to five digits and more."""


@dataclass(frozen=True)
class Eigenvalues:
    """Eigenvalues of one linear map, largest modulus first."""

    values: ComplexArray
    """Shape (k,): all of them, or the leading ones with both of every conjugate pair."""

    method: Literal["qr", "arnoldi"]

    residual: float | None = None
    """Of Arnoldi: the largest ‖A x − λ x‖₂ of the unit vectors x found, relative to |λ₁|. They are
    eigenvalues of a matrix that differs from A by no more than that; for QR the like holds to
    rounding."""

    @property
    def complete(self) -> bool:
        """Whether these are all."""
        return self.method == "qr"

    @property
    def radius(self) -> float:
        """max |λ|."""
        return float(np.abs(self.values[0])) if self.values.size else 0.0

    def times(self, factor: float) -> Eigenvalues:
        """Of the map times a number; the residual is relative."""
        return replace(self, values=self.values * factor)


def all_eigenvalues(matrix: FloatArray) -> Eigenvalues:
    """All eigenvalues of a square matrix (n, n), by the QR algorithm.

    >>> all_eigenvalues(np.diag([0.5, -0.9])).values.real.tolist()
    [-0.9, 0.5]
    """
    return Eigenvalues(sorted_eigenvalues(matrix), "qr")


def leading_eigenvalues(
    apply: Apply, size: int, count: int = LEADING, tolerance: float = CONVERGED
) -> Eigenvalues | None:
    """The `count` eigenvalues of largest modulus of v ↦ A v, v of shape (size,).

    Arnoldi (1951) from a random start, orthogonalised twice, without restarts; every eigenvalue has
    a residual, but that none larger was missed rests on the start. None where a product is not
    finite.

    >>> found = leading_eigenvalues(lambda v: np.arange(1.0, 301.0) * v, 300, 1)
    >>> round(float(found.values[0].real), 9)
    300.0
    """
    start = np.random.default_rng(0).standard_normal(size)
    krylov = expand(apply, start, MOST_PRODUCTS, _leading_have_converged(count, tolerance))
    if krylov is None:
        return None
    values, residuals = _ritz(krylov.hessenberg)
    kept = _whole_pairs(values, count)
    largest = float(np.abs(values[0]))
    worst = float(residuals[:kept].max())
    return Eigenvalues(values[:kept], "arnoldi", worst / largest if largest else 0.0)


def _leading_have_converged(count: int, tolerance: float) -> Callable[[Krylov], bool]:
    def converged(krylov: Krylov) -> bool:
        values, residuals = _ritz(krylov.hessenberg)
        enough = len(values) > count
        return enough and bool(residuals[:count].max() <= tolerance * np.abs(values[0]))

    return converged


def _ritz(hessenberg: FloatArray) -> tuple[ComplexArray, FloatArray]:
    """Eigenvalues of the square part, largest first, and their residuals |h_{m+1,m} y_m|."""
    steps = hessenberg.shape[1]
    values, vectors = np.linalg.eig(hessenberg[:steps])
    order = _by_modulus(values)
    residuals = np.abs(hessenberg[steps, steps - 1] * vectors[steps - 1, order])
    return values[order].astype(np.complex128), residuals


def _whole_pairs(values: ComplexArray, count: int) -> int:
    """`count`, and one more where that would part a conjugate pair."""
    parted = len(values) > count and values[count] == values[count - 1].conjugate()
    return count + bool(parted and values[count].imag)


def sorted_eigenvalues(matrix: FloatArray) -> ComplexArray:
    """Eigenvalues of a square matrix, largest modulus first, ties by real then imaginary part."""
    values = np.linalg.eigvals(matrix).astype(np.complex128)
    return np.asarray(values[_by_modulus(values)])


def _by_modulus(values: ComplexArray) -> npt.NDArray[np.intp]:
    # Rounded keys: conjugates differ in the last bit of their modulus on some machines. Relative to
    # the largest: eigenvalues of 1e-14 would all round to the same.
    modulus = np.abs(values)
    modulus = np.round(modulus / (modulus.max(initial=0.0) or 1.0), 12)
    return np.lexsort((-values.imag, -values.real, -modulus))
