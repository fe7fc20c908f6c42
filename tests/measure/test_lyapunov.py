"""Lyapunov exponents against closed forms, mean-field theory, and dense QR with jacrev."""

from __future__ import annotations

import json

import mpmath
import numpy as np
import pytest
import torch
from measure.from_torch import states_of
from torch_oracle import initial_states, make_module, step_layer

from rnndiag.cells import CELLS, LayerWeights
from rnndiag.measure.lyapunov import measure_lyapunov
from rnndiag.rollout import run_layer


@pytest.fixture(scope="module")
def truth(shared):
    return {case["id"]: case for case in json.loads((shared / "ground_truth.json").read_text())}


def plain(weight_hh, activation="tanh", bias=None):
    size = len(weight_hh)
    bias = np.zeros(size) if bias is None else np.asarray(bias, dtype=float)
    return CELLS["rnn"](
        LayerWeights(
            np.zeros((size, 1)), np.asarray(weight_hh), bias, np.zeros(size), None, activation
        )
    )


def test_tent_map_has_its_closed_form(truth):
    """λ₁ = ln 1.9, and the second direction is lost at once.

    A tangent of the map x is √2 longer in h where both units are active, which cancels over any
    stretch of time that begins and ends with the same units active.
    """
    cell = plain([[1.9, -3.8], [1.9, -3.8]], "relu", [0.0, -0.5])
    run = run_layer(cell, np.zeros((420, 1, 1)), np.array([[0.3, 0.0]]))
    both = states_of(run)[:, 0, 1] > 0
    steps = next(t for t in range(400, 420) if both[t] == both[int(0.1 * t)])
    run = run.first(steps, None)
    value, tolerance = (truth["tent_1.9_relu"][key] for key in ("value", "tol"))
    found = measure_lyapunov(run, None)
    assert found.exponents[0] == pytest.approx(value["lambda1"], abs=tolerance)
    # The determinant is zero but for rounding: one step in float64 leaves about 1e-16.
    assert found.exponents[1] < -25
    # Every block's mean is ln 1.9 but for ln √2 / 38 steps at its ends.
    assert found.standard_error < np.log(2) / 2 / 38


def test_at_a_fixed_point_they_are_the_eigenvalues(truth):
    """tanh_subcritical: h → 0, where the exponents are ln |λ_i(W)|."""
    weight = 0.8 / np.sqrt(40) * np.random.default_rng(3).standard_normal((40, 40))
    run = run_layer(plain(weight), np.zeros((4000, 1, 1)), 1e-9 * np.ones((1, 40)))
    expected = np.sort(np.log(np.abs(np.linalg.eigvals(weight))))[::-1]
    found = measure_lyapunov(run, None).exponents
    # Conjugate pairs share one modulus; a mean over 3,600 steps of a turning pair is off by 1/3600.
    np.testing.assert_allclose(found[:5], expected[:5], atol=1e-3)
    # The sum is that of ln |det W| at every step, whatever turns.
    assert found.sum() == pytest.approx(np.linalg.slogdet(weight)[1], abs=1e-9)


def test_mean_field_theory_of_chaos(truth):
    case = truth["tanh_meanfield_g3"]
    size = 300
    weight = 3 / np.sqrt(size) * np.random.default_rng(0).standard_normal((size, size))
    run = run_layer(
        plain(weight), np.zeros((800, 1, 1)), np.random.default_rng(1).normal(size=(1, size))
    )
    # The theory is for N → ∞, its tolerance of 0.02 for N = 512; deviations go as 1/N.
    assert measure_lyapunov(run, 1).exponents[0] == pytest.approx(
        case["value"]["lambda1"], abs=0.02 * 512 / size
    )


def test_forget_gates_alone(truth):
    case = truth["lstm_forget_b3"]["value"]
    bias = np.zeros(16)
    bias[4:8] = 3.0
    cell = CELLS["lstm"](LayerWeights(np.zeros((16, 1)), np.zeros((16, 4)), bias, np.zeros(16)))
    run = run_layer(cell, np.zeros((100, 1, 1)), np.zeros((1, 8)))
    found = measure_lyapunov(run, None).exponents
    np.testing.assert_allclose(found[:4], case["ftle"], atol=1e-9)
    assert (found[4:] < -25).all()  # the h block: lost in one step but for rounding


@pytest.mark.parametrize(
    ("name", "count"),
    [
        *((name, None) for name in ("rnn-tanh", "gru", "lstm", "lstm-projected")),
        ("lstm-projected", 3),
        *(
            pytest.param(name, 3, marks=pytest.mark.exhaustive)
            for name in ("rnn-tanh", "gru", "lstm")
        ),
    ],
)
def test_equal_to_dense_jacobians_and_qr(name, count):
    """The naive reference: torch.func.jacrev at every step, and QR at every step."""
    module = make_module(name)
    state = torch.cat(initial_states(module, batch=1)[0], dim=-1)[0]
    inputs = torch.randn(120, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    width = module.proj_size or module.hidden_size

    def step(s, x):
        parts = (s[:width],) if len(s) == width else (s[:width], s[width:])
        return torch.cat(step_layer(module, 0, "", x, parts))

    get = lambda n: getattr(module, f"{n}_l0").detach().numpy()
    weights = LayerWeights(
        get("weight_ih"),
        get("weight_hh"),
        get("bias_ih"),
        get("bias_hh"),
        get("weight_hr") if module.proj_size else None,
    )
    cell = CELLS[type(module).__name__.lower()](weights)
    run = run_layer(cell, inputs.numpy()[:, None], state.numpy()[None])
    found = measure_lyapunov(run, count)

    start = np.random.default_rng([0, 3]).standard_normal((1, len(state), count or len(state)))
    q, logs = np.linalg.qr(start[0])[0], []
    for x in inputs:
        jacobian = torch.func.jacrev(step)(state, x).detach().numpy()
        state = step(state, x)
        q, r = np.linalg.qr(jacobian @ q)
        logs.append(np.log(np.abs(np.diagonal(r))))
    expected = np.sort(np.mean(logs[12:], axis=0))[::-1]
    np.testing.assert_allclose(found.exponents, expected, atol=1e-6)
    means = [block.mean() for block in np.array_split(np.array(logs[12:])[:, 0], 10)]
    error = np.std(means, ddof=1) / np.sqrt(10)
    assert found.standard_error == pytest.approx(error, abs=1e-9)


@pytest.mark.parametrize("gain", [1e-60, 1e60])
def test_steps_are_not_taken_together_beyond_the_range_of_floats(gain):
    """ReLU in its linear part with W = diag(g, g/2): 16 steps would be g^16 = 1e±960."""
    cell = plain(np.diag([gain, gain / 2]), "relu", [1.0, 1.0])
    steps = 200 if gain < 1 else 5  # the larger one's state overflows at 1e300
    found = measure_lyapunov(run_layer(cell, np.zeros((steps, 1, 1)), np.ones((1, 2))), None)
    # The sum is ln |det W| at every step, from the first on.
    assert found.exponents.sum() == pytest.approx(2 * np.log(gain) - np.log(2), rel=1e-12)


def resting(*starts, weight=1.6):
    """A ReLU network without biases or input, h' = relu(W h): dead where h is never positive."""
    cell = plain(np.atleast_2d(weight), "relu")
    return run_layer(cell, np.zeros((100, len(starts), 1)), np.array(starts, dtype=float))


def test_a_dead_sample_does_not_hide_that_the_others_explode():
    """ln 1.6 in the living ones exactly; the dead one's step Jacobian is exactly 0."""
    found = measure_lyapunov(resting([1.0], [-1.0], [0.5]))
    assert found.exponents[0] == pytest.approx(np.log(1.6), rel=1e-12)
    assert found.standard_error == pytest.approx(0.0, abs=1e-12)
    assert (found.living, found.samples) == (2, 3)


def test_dead_samples_alone_have_no_exponent_but_minus_infinity():
    found = measure_lyapunov(resting([-1.0], [0.0]))
    assert (found.exponents[0], found.standard_error, found.living) == (-np.inf, None, 0)


def test_what_lies_behind_a_lost_direction_is_lost():
    """W³ = 0: every product of three steps is zero, whatever QR puts in place of the tangents."""
    chain = np.diag([2.0, 3.0], 1)
    cell = plain(chain, "relu", [1.0, 1.0, 1.0])
    run = run_layer(cell, np.zeros((30, 1, 1)), np.ones((1, 3)))
    assert np.isneginf(measure_lyapunov(run, None).exponents).all()


def test_samples_in_another_order_have_the_same_exponents():
    order = [2, 0, 1]
    starts = np.random.default_rng(0).standard_normal((3, 6))
    weight = np.random.default_rng(1).standard_normal((6, 6)) * 0.3
    one, other = (
        measure_lyapunov(run_layer(plain(weight), np.zeros((200, 3, 1)), s), None).exponents
        for s in (starts, starts[order])
    )
    # The tangents' starts are not permuted with the samples; the sum, ln |det J|, knows none.
    assert one.sum() == pytest.approx(other.sum(), rel=1e-9)


def test_the_interval_is_that_of_a_mean_of_ten_blocks():
    """P(|t| < x) of Student's t with 9 degrees of freedom: 1 - I(9/(9 + x²); 9/2, 1/2) = 0.95."""
    run = run_layer(plain([[0.9]]), np.zeros((200, 1, 1)), np.full((1, 1), 0.5))
    found = measure_lyapunov(run)
    times = found.margin / found.standard_error
    outside = mpmath.betainc(4.5, 0.5, 0, 9 / (9 + times**2), regularized=True)
    # Four digits of x leave 1e-5 of it.
    assert float(outside) == pytest.approx(0.05, abs=2e-5)
