"""The scaled norm against closed forms, brute force, convexity and diagonal similarity."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from rnndiag.measure import scaled_norm as module
from rnndiag.measure.scaled_norm import scaled_norm

# BFGS on Schatten norms up to order 256 of matrices up to order 40: what is left of the way to the
# spectral norm's minimum, whose value no descent can undercut.
FOUND = 1e-3

EXACT = 1e-12


def radius(matrix):
    return np.abs(np.linalg.eigvals(matrix)).max()


@pytest.mark.parametrize(("a", "b"), [(8.0, 2.0), (1.0, 1e-4), (-3.0, 0.5), (1e3, 1e-3)])
def test_two_by_two_antidiagonal(a, b):
    """D = diag(1, d): entries a/d and b·d; the larger is least where both are √|ab|."""
    found = scaled_norm(np.array([[0.0, a], [b, 0.0]]))
    assert found.value == pytest.approx(math.sqrt(abs(a * b)), rel=1e-4)
    assert found.condition == pytest.approx(math.sqrt(max(abs(a / b), abs(b / a))), rel=1e-3)


@pytest.mark.parametrize("size", [1, 2, 5, 20])
@pytest.mark.parametrize("seed", range(3))
def test_of_a_non_negative_matrix_it_is_the_radius(size, seed):
    """D = √(y/x) of the Perron vectors makes √(x y) both singular vectors of the largest value."""
    rng = np.random.default_rng(seed)
    matrix = rng.random((size, size)) * np.exp(rng.standard_normal(size))
    # The start leaves 1e-4 of each scale, and at the minimum that is of second order.
    assert scaled_norm(matrix).value == pytest.approx(radius(matrix), rel=1e-6)


def test_of_a_sign_change_of_a_non_negative_matrix_as_well():
    rng = np.random.default_rng(0)
    signs = rng.choice([-1.0, 1.0], 9)
    matrix = signs[:, None] * rng.random((9, 9)) * signs
    assert scaled_norm(matrix).value == pytest.approx(radius(matrix), rel=1e-6)


@pytest.mark.parametrize("size", [1, 3, 12])
def test_of_a_normal_matrix_no_units_are_better(size):
    rng = np.random.default_rng(size)
    square = rng.standard_normal((size, size))
    turn = np.linalg.qr(square)[0]
    for normal in (square + square.T, turn, 0.7 * turn, np.diag(square[0])):
        found = scaled_norm(normal)
        assert found.value == pytest.approx(np.linalg.norm(normal, 2), rel=EXACT)
        assert found.value == pytest.approx(radius(normal), rel=1e-9)


@pytest.mark.parametrize("size", [2, 8, 20])
def test_of_a_nilpotent_matrix_it_stops_at_the_widest_scales(size):
    """The infimum is 0: a line of `size` units in steps of 1e8^(1/(size − 1))."""
    matrix = 1.2 * np.diag(np.ones(size - 1), 1)
    found = scaled_norm(matrix)
    assert found.condition == pytest.approx(1e8, rel=1e-6)
    assert found.value == pytest.approx(1.2 * 1e8 ** (-1 / (size - 1)), rel=0.01)


def test_of_a_jordan_block_it_comes_near_the_radius():
    """0.9 I + N: units in steps of t leave 0.9 + cos(π/9)/t at most; the infimum is 0.9."""
    found = scaled_norm(0.9 * np.eye(8) + np.diag(np.ones(7), 1))
    assert 0.9 < found.value <= 0.9 + math.cos(math.pi / 9) / 1e8 ** (1 / 7)


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(more, marks=pytest.mark.exhaustive) for more in (1, 2, 3))]
)
def test_no_grid_of_scales_is_better(seed):
    """Brute force over three units: the first one's scale may be 1."""
    matrix = np.random.default_rng(seed).standard_normal((3, 3))
    grid = np.exp(np.linspace(-3, 3, 121))
    best = min(
        np.linalg.norm(np.array(d)[:, None] * matrix / np.array(d), 2)
        for d in itertools.product([1.0], grid, grid)
    )
    assert scaled_norm(matrix).value <= best * (1 + FOUND)


@pytest.mark.parametrize("seed", range(4))
def test_no_random_direction_leads_further_down(seed):
    """The logarithm is convex in ln D: no better D beyond means no better D at all."""
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((10, 10))
    value = scaled_norm(matrix).value
    for _ in range(300):
        scales = np.exp(rng.standard_normal(10) * rng.choice([0.01, 0.1, 1.0]))
        assert np.linalg.norm(scales[:, None] * matrix / scales, 2) >= value * (1 - FOUND)


@pytest.mark.parametrize("size", [2, 7, 32, 300])
def test_it_lies_between_radius_and_norm_and_no_units_change_it(size):
    rng = np.random.default_rng(size)
    matrix = rng.standard_normal((size, size)) / math.sqrt(size)
    scales = np.exp(rng.standard_normal(size))
    value = scaled_norm(matrix).value
    assert radius(matrix) * (1 - EXACT) <= value <= np.linalg.norm(matrix, 2) * (1 + EXACT)
    assert scaled_norm(matrix.T).value == pytest.approx(value, rel=FOUND)
    similar = scaled_norm(scales[:, None] * matrix / scales)
    assert similar.value == pytest.approx(value, rel=FOUND)
    assert similar.value < np.linalg.norm(scales[:, None] * matrix / scales, 2)


@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1e200, 1e300])
def test_it_is_homogeneous_to_the_ends_of_the_range(scale):
    matrix = np.random.default_rng(1).standard_normal((5, 5))
    # A denormal keeps only some digits of the entries themselves.
    tolerance = 1e-3 if scale < 1e-300 else 1e-9
    value = scaled_norm(matrix).value
    assert scaled_norm(scale * matrix).value == pytest.approx(scale * value, rel=tolerance)
    assert scaled_norm(0.0 * matrix) == (module.ScaledNorm(0.0, 1.0))


@pytest.mark.parametrize("seed", range(3))
def test_products_of_step_jacobians_stay_below_the_certificate(seed):
    """‖Π diag(φ′) W‖ ≤ (max D / min D) · value^k, for whatever slopes in [−1, 1]."""
    rng = np.random.default_rng(seed)
    scales = np.exp(2 * rng.standard_normal(6))
    matrix = scales[:, None] * rng.standard_normal((6, 6)) / scales * 0.25
    found = scaled_norm(matrix)
    assert found.value < 1 < np.linalg.norm(matrix, 2)
    product = np.eye(6)
    for step in range(1, 60):
        product = rng.uniform(-1, 1, 6)[:, None] * matrix @ product
        bound = found.condition * found.value**step
        assert np.linalg.norm(product, 2) <= bound * (1 + EXACT)


@pytest.mark.parametrize("power", [1.0, 4.0, 32.0])
def test_the_gradient_of_the_schatten_norm_equals_finite_differences(power):
    rng = np.random.default_rng(2)
    matrix, scales = rng.standard_normal((6, 6)), rng.standard_normal(6)

    def value(x):
        sigma = np.linalg.svd(np.exp(x)[:, None] * matrix * np.exp(-x), compute_uv=False)
        return math.log((sigma ** (2 * power)).sum()) / (2 * power)

    found, gradient, log_norm = module._schatten(matrix, scales, power)
    assert found == pytest.approx(value(scales), rel=EXACT)
    assert found >= log_norm
    for unit, slope in zip(np.eye(6), gradient, strict=True):
        numeric = (value(scales + 1e-5 * unit) - value(scales - 1e-5 * unit)) / 2e-5
        assert slope == pytest.approx(numeric, abs=1e-8)
