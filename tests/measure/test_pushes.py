"""Pushes off a fixed point, in closed form where ReLUs sit at exactly 0."""

from __future__ import annotations

import numpy as np
import pytest
from measure.plain_rnn import rnn

from rnndiag.measure.fixed_point import measure_settling
from rnndiag.measure.pushes import (
    PERTURBATION,
    PUSHES,
    is_switching,
    one_sided_linearisation,
    pushed_growth,
    random_pushes,
)


def relu(matrix, bias=0.0):
    return rnn(matrix, bias, "relu", weight_ih=0.0)


# h' = relu(W h). A quarter turn of length 2 and -2 I send every h to 0 in two steps; in the third
# W e1 = (1.1, -1) stays on the first axis and grows by 1.1, while the eigenvalues are ±0.889i.
DYING = [[[0.0, -2.0], [2.0, 0.0]], [[-2.0, 0.0], [0.0, -2.0]]]
GROWING = [[1.1, 2.0], [-1.0, -1.1]]


@pytest.mark.parametrize("matrix", DYING)
def test_pushes_die_whatever_the_radius(matrix):
    jacobian = measure_settling(relu(matrix)).jacobian
    assert jacobian.spectral_radius == pytest.approx(2.0, rel=1e-12)
    assert (jacobian.stable, jacobian.one_sided, jacobian.settled) == (True, True, True)


def test_pushes_grow_on_one_side_whatever_the_radius():
    settling = measure_settling(relu(GROWING))
    assert settling.jacobian.spectral_radius == pytest.approx(np.sqrt(2 - 1.21), rel=1e-12)
    assert (settling.jacobian.stable, settling.after_push) == (False, None)


def test_a_relu_off_zero_needs_no_pushes():
    jacobian = measure_settling(relu(0.5 * np.eye(2), bias=1.0)).jacobian
    assert (jacobian.stable, jacobian.one_sided) == (True, False)


def test_growth_is_that_of_the_push_itself():
    """Along both axes 0.5³ and 2³ of it; what overflows is inf."""
    cell, pushes = relu(np.diag([0.5, 2.0])), 1e-3 * np.eye(2)
    grown = pushed_growth(cell, np.zeros(2), np.zeros(2), pushes, 3)
    assert grown == pytest.approx([0.125, 8.0], rel=1e-12)
    assert pushed_growth(cell, np.zeros(2), np.zeros(2), pushes, 2000).tolist() == [0.0, np.inf]


def test_directions_have_one_length():
    pushes = random_pushes(3)
    assert pushes.shape == (PUSHES, 3)
    assert np.linalg.norm(pushes, axis=1) == pytest.approx(np.full(PUSHES, PERTURBATION))


@pytest.mark.parametrize("h", [-1.0, 0.0, 1.0])
def test_the_slope_at_zero_is_the_active_sides(h):
    cell, state = relu([[0.5]]), np.array([h])
    assert is_switching(cell, np.zeros(1), state) == (h == 0.0)
    slope = one_sided_linearisation(cell, np.zeros(1), state).jacobian()
    assert slope.item() == (0.0 if h < 0.0 else 0.5)
