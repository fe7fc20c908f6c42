"""Singular values of Jacobian products against mpmath's, closed forms and dense SVD."""

from __future__ import annotations

import json

import numpy as np
import pytest
from measure.from_torch import preactivations_of, states_of
from torch_oracle import make_module

from rnndiag.cells import CELLS, LayerWeights
from rnndiag.measure.jacobian_product import product_singular_values, worst_case_log_growth
from rnndiag.rollout import run_layer


def test_all_singular_values_equal_those_of_1200_digits(shared):
    cases = json.loads((shared / "ground_truth.json").read_text())
    case = next(case for case in cases if case["id"] == "product_svd_6x120")
    rng = np.random.default_rng(11)
    factors = np.array([rng.standard_normal((6, 6)) / np.sqrt(6) for _ in range(120)])
    np.testing.assert_allclose(
        product_singular_values(factors), case["value"]["log_sigma"], rtol=0, atol=case["tol"]
    )


def test_a_short_product_equals_its_dense_svd():
    factors = np.random.default_rng(0).standard_normal((4, 5, 5))
    dense = np.linalg.svd(factors[3] @ factors[2] @ factors[1] @ factors[0], compute_uv=False)
    np.testing.assert_allclose(product_singular_values(factors), np.log(dense), atol=1e-10)


def lstm_run(steps):
    module = make_module("lstm", hidden_size=6)
    get = lambda n: getattr(module, f"{n}_l0").detach().numpy()
    cell = CELLS["lstm"](
        LayerWeights(get("weight_ih"), get("weight_hh"), get("bias_ih"), get("bias_hh"))
    )
    inputs = np.random.default_rng(1).standard_normal((steps, 3, 4))
    return run_layer(cell, inputs, np.zeros((3, 12)))


def test_the_worst_case_equals_the_dense_product():
    run = lstm_run(25)
    jacobians = run.cell.linearise_at(preactivations_of(run), states_of(run)[:-1]).jacobian()
    for sample in range(3):
        dense = np.eye(12)
        for jacobian in jacobians[:, sample]:
            dense = jacobian @ dense
        assert worst_case_log_growth(run)[sample] == pytest.approx(
            np.log(np.linalg.norm(dense, 2)), abs=1e-8
        )


def test_the_worst_case_bounds_every_gradient():
    """σ₁ ≥ ‖Jᵀ … Jᵀ v‖/‖v‖ for any v: checked by the trace's own direction of growth."""
    run = lstm_run(25)
    worst = worst_case_log_growth(run)
    linearisation = run.cell.linearise_at(preactivations_of(run), states_of(run)[:-1])
    vectors = np.random.default_rng(2).standard_normal((50, 3, 12))
    pulled = vectors
    for step in reversed(range(25)):
        pulled = linearisation[step].vjp(pulled).state
    growth = np.log(np.linalg.norm(pulled, axis=-1) / np.linalg.norm(vectors, axis=-1))
    assert (growth <= worst + 1e-9).all()


def test_beyond_the_largest_float():
    """ReLU with W = 1.5·I and a state that grows to 1e176: σ₁ = 1.5^T; and 0.1^T below."""
    for gain, steps in ((1.5, 1000), (0.1, 1000)):
        weights = LayerWeights(
            np.zeros((2, 1)), gain * np.eye(2), np.full(2, 0.5), np.zeros(2), None, "relu"
        )
        run = run_layer(CELLS["rnn"](weights), np.zeros((steps, 1, 1)), np.ones((1, 2)))
        assert worst_case_log_growth(run)[0] == pytest.approx(steps * np.log(gain), rel=1e-12)


def test_equal_largest_singular_values_do_not_slow_it_down(monkeypatch):
    """An orthogonal W leaves every direction alone: all is known after the first pass."""
    q = np.linalg.qr(np.random.default_rng(4).standard_normal((8, 8)))[0]
    weights = LayerWeights(np.zeros((8, 1)), q, np.full(8, 0.0), np.zeros(8))
    run = run_layer(CELLS["rnn"](weights), np.zeros((50, 1, 1)), 1e-9 * np.ones((1, 8)))
    monkeypatch.setattr("rnndiag.measure.jacobian_product.PASSES", 2)
    # tanh' at 1e-9 is 1 - 1e-18.
    assert worst_case_log_growth(run)[0] == pytest.approx(0.0, abs=1e-12)


def test_a_dead_sample_does_not_end_the_search_for_the_others():
    """ReLU in its linear part, J = W at every step: σ₁(W^30); dead where h is negative."""
    weight = np.random.default_rng(4).uniform(0.0, 0.3, (8, 8)) + np.diag([2.0] * 4, 4)
    zeros = np.zeros(8)
    cell = CELLS["rnn"](LayerWeights(np.zeros((8, 1)), weight, zeros, zeros, None, "relu"))
    run = run_layer(cell, np.zeros((30, 2, 1)), np.array([np.ones(8), -np.ones(8)]))
    living, dead = worst_case_log_growth(run)
    sigma = np.linalg.norm(np.linalg.matrix_power(weight, 30), 2)
    assert living == pytest.approx(np.log(sigma), abs=1e-9)
    assert dead == -np.inf
