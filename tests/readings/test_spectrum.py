"""The sentences under a spectrum: each said where it is true, and only there."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rnndiag.cells import CELLS, LayerWeights
from rnndiag.measure import fixed_point, spectrum, state_map
from rnndiag.measure.along import TrajectoryRate
from rnndiag.measure.spectrum import measure_spectrum
from rnndiag.readings.settling import read_rates, read_settling
from rnndiag.readings.state_map import read_state_map
from rnndiag.rules import DEFAULT_LIMITS

RNG = np.random.default_rng(0)
TURN = np.linalg.qr(RNG.standard_normal((20, 20)))[0]
RANDOM = RNG.standard_normal((20, 20)) / math.sqrt(20)


def measured(matrix, activation="tanh", weight_ih=1.0):
    size = len(matrix)
    zeros = np.zeros(size)
    inputs = np.full((size, 1), weight_ih)
    weights = LayerWeights(inputs, np.array(matrix, float), zeros, zeros, None, activation)
    return measure_spectrum(CELLS["rnn"](weights), "rnn")


def said(matrix, activation="tanh", weight_ih=1.0, limits=DEFAULT_LIMITS):
    found = measured(matrix, activation, weight_ih)
    return " ".join(
        [
            *read_state_map(activation, found.blocks[0], found.state_map, len(matrix), limits),
            *read_settling(found.settling),
            *read_rates(found.settling, found.along),
        ]
    )


@pytest.mark.parametrize(
    ("matrix", "sentence"),
    [
        (0.9 * TURN, "Certified: the spectral norm 0.9 is below 1, so with tanh"),
        ([[0.0, 8.0], [0.1, 0.0]], "Certified: with a suitable unit for each neuron the norm of"),
        (1.2 * TURN, "The spectral radius 1.2 of W_hh is above 1. That alone is no explosion"),
        (0.8 * RANDOM, "is not below 1, nor is the scaled norm"),
    ],
)
def test_one_sentence_on_what_norms_prove(matrix, sentence):
    words = said(matrix)
    assert sentence in words
    assert ("Certified" in words) == sentence.startswith("Certified")


def test_the_certificate_in_other_units_names_its_bound():
    """√0.8 in units 1 : √80, so that k steps leave at most 8.9 · 0.8944^k."""
    assert "k steps back at most 8.9 x 0.8944^k of it is left" in said([[0.0, 8.0], [0.1, 0.0]])


def test_structure_is_what_a_random_matrix_has_not():
    rank_one = np.full((20, 20), 0.1)  # radius 2, gain 2/√20
    assert "is 4.47 times the gain" in said(rank_one)
    assert "closer to normal than a random matrix (Henrici's departure" in said(rank_one)
    chain = np.diag(np.ones(19), 1)
    assert "W_hh is far from normal (Henrici's departure 1; a random matrix has 0.707)" in said(
        chain
    )
    for word in ("times the gain", "far from normal", "closer to normal"):
        assert word not in said(RANDOM)
        assert word not in said(np.full((3, 3), 0.1))  # too small to tell


def test_growth_of_powers_is_told_once():
    chain = 1.2 * np.diag(np.ones(19), 1)
    assert "Powers of W_hh grow 31.95-fold in 19 steps before they decay." in said(chain)
    assert "For a while W_hh grows faster" not in said(chain)
    jordan = 0.9 * np.eye(8) + np.diag(np.ones(7), 1)
    words = said(jordan / 0.9)
    assert "For a while W_hh grows faster than its eigenvalues say: its power 1000 is" in words
    assert "powers above 1000 may be larger" in words
    assert "grow" not in said(0.9 * TURN).replace("Growth rate", "")


def test_what_was_not_computed_is_said(monkeypatch):
    monkeypatch.setattr(spectrum, "LARGEST_COMPLETE", 10)
    monkeypatch.setattr(state_map, "LARGEST_COMPLETE", 10)
    monkeypatch.setattr(fixed_point, "LARGEST_DENSE", 10)
    words = said(RANDOM)
    assert "leading eigenvalues are by Arnoldi's method (relative residual" in words
    assert "and what needs all of them or its powers was not computed" in words
    assert "The step Jacobian is large: only its" in words
    for key in ("henrici", "orthogonality_error", "powers", "eigenvalue_uncertainty"):
        assert getattr(measured(RANDOM).state_map, key) is None


def test_a_trajectory_is_believed_where_it_differs():
    """Radius 5 at rest, saturated under noise; and a linear network, where both are the same."""
    words = said([[5.0]], weight_ih=3.0)
    assert "in nats a step: +1.61 at the fixed point (ln of the radius), -" in words
    assert "Believe the latter: gradients follow trajectories." in words
    words = said([[-0.9]], weight_ih=1e-3)
    assert "They agree" in words
    assert "changing sign at every step" in words
    lost = TrajectoryRate("normal", 0, None, None)  # the forward pass overflows at once
    assert list(read_rates(measured([[0.5]]).settling, (lost,))) == []


def test_what_one_step_keeps_to_first_order_is_called_neither():
    shown = said(np.roll(np.eye(5), 1, axis=0))
    assert "neither grows nor shrinks to first order (spectral radius 1)" in shown
    assert "time constant" not in shown
    assert "+0 at the fixed point" in shown


def test_a_relu_between_off_and_on_is_told_by_pushes():
    words = said([[0.0, -2.0], [2.0, 0.0]], "relu")  # every push is 0 after two steps
    assert "between off and on: 32 small pushes in random directions die out" in words
    assert "the spectral radius is 2, which does not decide that" in words
    assert "unstable" not in words
    words = said([[1.1, 2.0], [-1.0, -1.1]], "relu")  # the first axis grows by 1.1
    assert "some of 32 small pushes in random directions grow" in words
    assert "settles nowhere soon" in words


def test_rates_that_agree_on_growth_are_not_called_a_decay():
    assert "one already sees how gradients grow" in said(1.2 * np.eye(2), "relu")


def test_ill_conditioned_is_relative_to_the_radius():
    assert "ill-conditioned" not in said(1e200 * RANDOM)
    assert "ill-conditioned" in said(1e-200 * (np.eye(12) + 9 * np.diag(np.ones(11), 1)))


@pytest.mark.parametrize("code", ["RD203", "RD204"])
def test_sentences_draw_the_line_where_the_rule_does(code):
    """At the threshold in force, not at the rule's own."""
    matrix = 0.9 * np.eye(12) + 9 * np.diag(np.ones(11), 1)
    words = {"RD203": "grow", "RD204": "ill-conditioned"}[code]
    assert words in said(matrix)
    assert words not in said(matrix, limits={**DEFAULT_LIMITS, code: 1e300})
