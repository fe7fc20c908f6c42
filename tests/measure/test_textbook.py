"""The product of W_hhᵀ alone, against explicit matrix powers and closed forms."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from measure.plain_rnn import rnn

from rnndiag.cells import CELLS, LayerWeights
from rnndiag.measure.textbook import textbook_curve

# k products in another order: k rounding errors of 1e-16, in a logarithm of order ten.
EXACT = 1e-12


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_explicit_powers(activation):
    rng = np.random.default_rng(0)
    matrix, seed = rng.standard_normal((6, 6)) / 2, rng.standard_normal((3, 4, 6))
    curve = textbook_curve(rnn(matrix, activation=activation), seed, 40)
    for lag in range(41):
        carried = seed.reshape(-1, 6) @ np.linalg.matrix_power(matrix, lag)
        ratio = np.linalg.norm(carried) / np.linalg.norm(seed)
        assert curve[lag] == pytest.approx(np.log10(ratio), rel=EXACT, abs=EXACT)


def test_it_is_the_transpose_that_carries_gradients():
    """Wᵀ of [[0, 1], [0, 0]] moves a gradient from the first unit to the second and loses it."""
    first = textbook_curve(rnn([[0, 1], [0, 0]]), np.array([[[1.0, 0.0]]]), 2)
    second = textbook_curve(rnn([[0, 1], [0, 0]]), np.array([[[0.0, 1.0]]]), 2)
    assert first.tolist() == [0.0, 0.0, -np.inf]
    assert second.tolist() == [0.0, -np.inf, -np.inf]


@pytest.mark.parametrize("w", [0.3, 7.0])
def test_beyond_the_range_of_floats_equals_mpmath(w):
    curve = textbook_curve(rnn([[w]]), np.ones((1, 1, 1)), 2000)
    with mpmath.workdps(30):
        exact = float(2000 * mpmath.log10(mpmath.mpf(w)))
    assert abs(exact) > 1000
    assert curve[-1] == pytest.approx(exact, rel=EXACT)


def test_an_orthogonal_matrix_keeps_the_size():
    matrix = np.linalg.qr(np.random.default_rng(1).standard_normal((7, 7)))[0]
    seed = np.random.default_rng(2).standard_normal((1, 2, 7))
    assert textbook_curve(rnn(matrix), seed, 300) == pytest.approx(np.zeros(301), abs=1e-12)


def test_scaling_the_matrix_adds_to_the_slope():
    rng = np.random.default_rng(3)
    matrix, seed = rng.standard_normal((5, 5)), rng.standard_normal((1, 2, 5))
    one, tenth = (textbook_curve(rnn(c * matrix), seed, 30) for c in (1.0, 0.1))
    np.testing.assert_allclose(tenth, one - np.arange(31), rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize(("kind", "gates"), [("gru", 3), ("lstm", 4)])
def test_gated_cells_have_none(kind, gates):
    zeros = np.zeros(gates * 2)
    cell = CELLS[kind](LayerWeights(np.ones((gates * 2, 1)), np.ones((gates * 2, 2)), zeros, zeros))
    assert textbook_curve(cell, np.ones((1, 1, 2)), 5) is None
