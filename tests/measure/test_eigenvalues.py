"""Leading eigenvalues and norms of large maps: closed forms, LAPACK's dense answers, residuals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rnndiag.measure import norms
from rnndiag.measure.eigenvalues import (
    CONVERGED,
    all_eigenvalues,
    leading_eigenvalues,
    sorted_eigenvalues,
)
from rnndiag.measure.krylov import expand, solve
from rnndiag.measure.norms import PROVED, spectral_norm


def leading(matrix, *options):
    return leading_eigenvalues(lambda v: matrix @ v, len(matrix), *options)


@pytest.mark.parametrize("seed", range(3))
def test_of_an_iid_matrix_they_are_lapacks(seed):
    """The hardest case: all eigenvalues crowd a disc."""
    matrix = np.random.default_rng(seed).standard_normal((300, 300)) / math.sqrt(300)
    found = leading(matrix)
    expected = sorted_eigenvalues(matrix)[: len(found.values)]
    # Condition numbers of such eigenvalues are of order √n.
    assert found.values == pytest.approx(expected, abs=CONVERGED * 300)
    assert found.residual <= 1e-6
    assert not found.complete
    assert found.values[-1].imag == 0 or found.values[-1] == found.values[-2].conjugate()


def test_of_a_diagonal_they_are_its_largest_entries():
    values = np.linspace(-0.999, 0.5, 500)
    found = leading_eigenvalues(lambda v: values * v, 500, 3)
    assert found.values == pytest.approx(values[:3], abs=1e-7)


def test_a_residual_is_what_it_says():
    """‖A x − λ x‖ of the dense eigenvectors nearest, computed the plain way."""
    matrix = np.random.default_rng(5).standard_normal((200, 200))
    found = leading(matrix, 2)
    for value in found.values:
        smallest = np.linalg.svd(matrix - value * np.eye(200), compute_uv=False)[-1]
        assert smallest <= (found.residual * found.radius) * (1 + 1e-6) + 1e-12


@pytest.mark.parametrize("size", [2, 5, 30])
def test_small_and_special_maps_end_early(size):
    turn = np.linalg.qr(np.random.default_rng(size).standard_normal((size, size)))[0]
    for matrix in (np.zeros((size, size)), np.eye(size), turn, np.ones((size, size))):
        found = leading(matrix, 1)
        expected = np.abs(np.linalg.eigvals(matrix)).max()
        assert found.radius == pytest.approx(expected, abs=1e-9)
        assert found.residual < 1e-9


def test_products_that_overflow_give_none():
    with np.errstate(over="ignore", invalid="ignore"):
        assert leading(np.full((300, 300), 1e308)) is None
        assert solve(lambda v: v * 1e308 * 10, np.full(3, 1e10), 3, 1e-3) is None


def test_scaling_scales():
    found = all_eigenvalues(np.diag([0.5, -0.9])).times(2.0)
    assert found.values.real.tolist() == [-1.8, 1.0]
    assert found.complete


def test_the_krylov_basis_is_orthonormal_and_satisfies_its_equation():
    matrix = np.random.default_rng(1).standard_normal((60, 60))
    krylov = expand(lambda v: matrix @ v, np.ones(60), 20, lambda _: False)
    basis, hessenberg = krylov.basis, krylov.hessenberg
    np.testing.assert_allclose(basis @ basis.T, np.eye(21), atol=1e-14)
    np.testing.assert_allclose(matrix @ basis[:-1].T, basis.T @ hessenberg, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_gmres_solves(seed):
    rng = np.random.default_rng(seed)
    matrix = np.eye(40) + rng.standard_normal((40, 40)) / 20
    right = rng.standard_normal(40)
    found = solve(lambda v: matrix @ v, right, 40, 1e-12)
    assert found == pytest.approx(np.linalg.solve(matrix, right), rel=1e-9)
    rough = solve(lambda v: matrix @ v, right, 5, 0.0)
    best = np.linalg.norm(matrix @ rough - right)
    for _ in range(20):  # the least residual of its space, hence no larger than near it
        space = expand(lambda v: matrix @ v, right, 5, lambda _: False).basis[:-1]
        other = rough + 1e-3 * rng.standard_normal(5) @ space
        assert np.linalg.norm(matrix @ other - right) >= best
    assert not solve(lambda v: v, np.zeros(4), 4, 1e-3).any()


@pytest.mark.parametrize("shape", [(300, 300), (300, 270), (270, 300), (1000, 300)])
def test_a_large_norm_is_lapacks_and_proved(shape):
    matrix = np.random.default_rng(0).standard_normal(shape)
    found = spectral_norm(matrix)
    expected = np.linalg.norm(matrix, 2)
    assert found.method == "lanczos"
    assert found.value <= expected * (1 + 1e-13)
    assert expected <= found.value * (1 + PROVED)
    assert spectral_norm(1e200 * matrix).value == pytest.approx(1e200 * expected, rel=PROVED)


def test_an_orthogonal_and_a_zero_matrix_have_exact_norms():
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((300, 300)))[0]
    assert spectral_norm(turn).value == pytest.approx(1.0, rel=1e-12)
    assert spectral_norm(np.zeros((300, 300))).value == 0.0


def test_a_norm_that_cannot_be_proved_is_computed(monkeypatch):
    """A lower bound that falls short, as a start without the right direction would give."""
    matrix = np.diag(np.linspace(1.0, 2.0, 300))
    monkeypatch.setattr(norms, "_largest_singular_value", lambda scaled: 0.49)
    assert spectral_norm(matrix) == (2.0, "svd", 0.0)
