"""The largest power of a matrix: closed forms, every power up to a thousand, and the caps."""

from __future__ import annotations

import json
import math

import mpmath
import numpy as np
import pytest

from rnndiag.measure import powers
from rnndiag.measure.powers import transient_growth

# Products of up to a thousand matrices of order 10.
EXACT = 1e-10


@pytest.fixture(scope="module")
def truth(shared):
    cases = json.loads((shared / "ground_truth.json").read_text())
    return {case["id"]: case for case in cases}


def scaled(matrix):
    return transient_growth(matrix / np.abs(np.linalg.eigvals(matrix)).max())


def grcar(size):
    ones = [np.diag(np.ones(size - k), k) for k in range(4)]
    return sum(ones, -np.diag(np.ones(size - 1), -1))


def every_norm(matrix, last=1000):
    power, norms = np.eye(len(matrix)), [1.0]
    for _ in range(last):
        power = power @ matrix
        norms.append(np.linalg.norm(power, 2))
    return max(norms), int(np.argmax(norms))


def test_grcar(truth):
    case = truth["grcar32"]
    found = scaled(grcar(32))
    assert found.growth == pytest.approx(case["value"]["peak_scaled"], rel=case["tol"])
    assert (found.step, found.capped) == (case["value"]["k_star"], False)


def test_a_jordan_block_has_no_limit(truth):
    """‖(W/0.9)^k‖ grows as k^7/7!: at k = 1000 it is still growing, and that is said."""
    case = truth["jordan8_0.9"]
    jordan = 0.9 * np.eye(8) + np.diag(np.ones(7), 1)
    found = transient_growth(jordan / 0.9)
    assert (found.step, found.last, found.capped) == (1000, 1000, True)
    with mpmath.workdps(40):
        power = mpmath.matrix(8)
        for row in range(8):
            for column in range(row, 8):
                distance = column - row
                power[row, column] = mpmath.binomial(1000, distance) / mpmath.mpf("0.9") ** distance
        expected = mpmath.svd_r(power, compute_uv=False)[0]
    assert found.growth == pytest.approx(float(expected), rel=case["tol"])


def test_a_normal_matrix_does_not_grow():
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((300, 300)))[0]
    for matrix in (turn, np.eye(3), np.diag([1.0, -1.0, 0.3])):
        assert (scaled(matrix).growth, scaled(matrix).step) == (pytest.approx(1.0), 0)
        assert not scaled(matrix).capped


def test_a_triangle_reaches_its_closed_form():
    """[[1, x], [0, 0]]: every power is the matrix itself, √(1 + x²)."""
    found = transient_growth(np.array([[1.0, 3.0], [0.0, 0.0]]))
    assert found == (pytest.approx(math.sqrt(10), rel=1e-12), 1, 1000)


@pytest.mark.parametrize("size", [6, 40, 100])
@pytest.mark.parametrize("decay", [1.0, 0.97])
def test_it_equals_every_norm(size, decay):
    """Also where powers are compressed on the way, from order 64 on."""
    matrix = np.random.default_rng(size).standard_normal((size, size))
    matrix *= decay / np.abs(np.linalg.eigvals(matrix)).max()
    expected, step = every_norm(matrix)
    found = transient_growth(matrix)
    # Compressing leaves out 1e-7 of a power, several times.
    assert found.growth == pytest.approx(expected, rel=1e-6 if size >= 64 else EXACT)
    assert found.step == step


def test_compression_loses_nothing_that_shows():
    """A power of low rank: the columns go, the norms stay, of it and of later products."""
    rng = np.random.default_rng(3)
    low = rng.standard_normal((80, 5)) @ rng.standard_normal((5, 80))
    later = rng.standard_normal((80, 80))
    kept = powers._compressed(low)
    assert kept.shape == (80, 5)
    for factor in (np.eye(80), later):
        norm = np.linalg.norm(factor @ low, 2)
        assert np.linalg.norm(factor @ kept, 2) == pytest.approx(norm, rel=1e-12)


def test_a_large_matrix_is_not_followed_to_the_end(monkeypatch):
    matrix = np.random.default_rng(0).standard_normal((50, 50))
    matrix /= np.abs(np.linalg.eigvals(matrix)).max()
    monkeypatch.setattr(powers, "MOST_FLOPS", 20 * 2 * 50**3)
    found = transient_growth(matrix)
    assert (found.last, found.capped) == (20, True)
    expected, step = every_norm(matrix, 20)
    assert (found.growth, found.step) == (pytest.approx(expected, rel=EXACT), step)


@pytest.mark.parametrize("seed", range(2))
def test_orthogonal_similarity_and_transposition_change_nothing(seed):
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((8, 8))
    turn = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    own = scaled(matrix)
    for other in (turn @ matrix @ turn.T, matrix.T, 1e200 * matrix):
        assert scaled(other).growth == pytest.approx(own.growth, rel=1e-9)
