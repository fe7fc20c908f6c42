"""The reverse scan against plain autograd on unrolled torch cells, mpmath and closed forms."""

from __future__ import annotations

import copy

import mpmath
import numpy as np
import pytest
import torch
from measure.from_torch import cells_of
from torch_oracle import CASES, initial_states, make_module, step_layer, unrolled_gradients

from rnndiag.cells import CELLS, LayerWeights
from rnndiag.measure.gradient import ScaledVectors, trace_gradients
from rnndiag.rollout import SEGMENT_BYTES, run_layer, run_stack

# Both sides run the same recursion in float64; 40 steps of it leave some 1e-14 between them.
EXACT = 1e-10


@pytest.mark.parametrize("segment_bytes", [1, SEGMENT_BYTES], ids=["segments", "whole"])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
@pytest.mark.parametrize("case", CASES)
def test_every_lag_equals_autograd(case, bias, layers, segment_bytes, monkeypatch):
    monkeypatch.setattr("rnndiag.rollout.SEGMENT_BYTES", segment_bytes)
    module = make_module(case, bias=bias, num_layers=layers)
    inputs = torch.randn(40, 3, 4, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    initial = initial_states(module, batch=3)
    width = module.proj_size or module.hidden_size
    cotangent = np.random.default_rng(8).standard_normal((3, width))

    expected = unrolled_gradients(module, inputs, initial, torch.from_numpy(cotangent))
    states = [[torch.cat(parts, dim=-1).numpy()] for parts in initial]
    runs = [run for (run,) in run_stack(cells_of(module), inputs.numpy(), states)]
    ours = trace_gradients(runs, cotangent[None])

    for depth in range(layers):
        np.testing.assert_allclose(
            np.exp(ours[depth].hidden[:, 0]), expected.hidden[depth], rtol=EXACT
        )
        if expected.cell is not None:
            np.testing.assert_allclose(
                np.exp(ours[depth].cell_state[:, 0]), expected.cell[depth], rtol=EXACT
            )


@pytest.mark.parametrize("case", CASES)
def test_a_steps_part_of_the_weight_gradient_equals_autograd(case):
    """Each step gets a copy of W_hh of its own, whose gradient is that step's part alone."""
    module = make_module(case)
    inputs = np.random.default_rng(3).standard_normal((20, 1, 4))
    initial = initial_states(module, batch=1)
    cotangent = np.random.default_rng(8).standard_normal((1, 1, module.proj_size or 5))
    copies, state = [], initial[0]
    for x in inputs:
        copies.append(module.weight_hh_l0.detach().clone().requires_grad_())
        state = step_layer(with_weight(module, copies[-1]), 0, "", torch.from_numpy(x), state)
    (state[0] * torch.from_numpy(cotangent[0])).sum().backward()

    states = [[torch.cat(initial[0], dim=-1).numpy()]]
    ((run,),) = run_stack(cells_of(module), inputs, states)
    (norms,) = trace_gradients([run], cotangent)
    expected = [float(weight.grad.norm()) for weight in reversed(copies)]
    np.testing.assert_allclose(np.exp(norms.recurrent_weight[:, 0, 0]), expected, rtol=EXACT)


def with_weight(module, weight_hh):
    """The module's other weights beside this W_hh, for `step_layer`."""
    stand_in = copy.copy(module)
    stand_in._parameters = {**module._parameters, "weight_hh_l0": weight_hh}
    return stand_in


def test_saturated_gates_are_counted():
    """σ(±3) is beyond 0.1 … 0.9, σ(1) is not; the last of three gates drives nothing."""
    bias = np.array([3.0, 1.0, -3.0, -3.0, 0.0, 0.0, 1.0, -3.0])
    cell = CELLS["lstm"](LayerWeights(np.zeros((8, 1)), np.zeros((8, 2)), bias, np.zeros(8)))
    (norms,) = trace_gradients([run_layer(cell, np.zeros((20, 3, 1)), np.zeros((3, 4)))], SEED_2)
    assert norms.saturated == {"input": 0.5, "forget": 1.0, "output": 0.5}


SEED_2 = np.ones((1, 3, 2))


def contracting_run(steps):
    """A scalar tanh RNN with w = 0.3 and its states, one unit, one sample."""
    one = np.ones((1, 1))
    cell = CELLS["rnn"](LayerWeights(one, 0.3 * one, np.zeros(1), np.zeros(1)))
    inputs = np.sin(np.arange(steps, dtype=float)).reshape(steps, 1, 1)
    return run_layer(cell, inputs, np.zeros((1, 1)))


def test_far_below_the_smallest_float_equals_mpmath():
    """2,000 steps take the gradient to about 1e-1400: exact products in 50 digits."""
    run = contracting_run(2000)
    (norms,) = trace_gradients([run], np.ones((1, 1, 1)))
    with mpmath.workdps(50):
        w, h, log_product = mpmath.mpf("0.3"), mpmath.mpf(0), mpmath.mpf(0)
        w = mpmath.mpf(0.3)
        for x in np.sin(np.arange(2000, dtype=float)):
            h = mpmath.tanh(mpmath.mpf(x) + w * h)
            log_product += mpmath.log(w * (1 - h * h))
    assert norms.hidden[-1, 0, 0] < -1200 * np.log(10)
    # 1 − tanh² loses half an ulp per step, which adds up like a random walk over 2,000 steps.
    assert norms.hidden[-1, 0, 0] == pytest.approx(float(log_product), rel=1e-13)


def test_scaled_vectors_keep_tiny_and_huge_sums():
    big = ScaledVectors.of(np.array([[3.0, 4.0]]), 5000)
    tiny = ScaledVectors.of(np.array([[1.0, 1.0]]), -5000)
    nothing = ScaledVectors.of(np.zeros((1, 2)))
    expected = pytest.approx(np.log(5) + 5000 * np.log(2), rel=1e-15)
    assert big.plus(tiny.mantissa, tiny.exponent).log_norm() == expected
    assert tiny.plus(big.mantissa, big.exponent).log_norm() == expected
    assert tiny.plus(nothing.mantissa, nothing.exponent).log_norm() == tiny.log_norm()
    assert nothing.plus(nothing.mantissa, nothing.exponent).log_norm() == -np.inf


def test_the_trace_is_linear_in_its_seed():
    module = make_module("lstm", num_layers=2)
    inputs = np.random.default_rng(1).standard_normal((30, 2, 4))
    states = [[torch.cat(p, dim=-1).numpy()] for p in initial_states(module, batch=2)]
    runs = [run for (run,) in run_stack(cells_of(module), inputs, states)]
    seed = np.random.default_rng(2).standard_normal((1, 2, 5))
    for one, four in zip(
        trace_gradients(runs, seed), trace_gradients(runs, 4.0 * seed), strict=True
    ):
        # Four is a power of two: not a bit may change but the exponent.
        np.testing.assert_allclose(one.hidden + np.log(4.0), four.hidden, rtol=1e-14)


def test_relu_overflow_is_found_and_cut():
    cell = CELLS["rnn"](
        LayerWeights(np.eye(2), 1.6 * np.eye(2), np.zeros(2), np.zeros(2), None, "relu")
    )
    run = run_layer(cell, np.zeros((2000, 1, 2)), np.ones((1, 2)))
    # 1.6^t passes the largest float64 at t = ln(1.797e308)/ln 1.6 = 1510.2, so at step 1511.
    assert run.overflow_step == 1511
    assert run.steps == 1510
    (norms,) = trace_gradients([run], np.ones((1, 1, 2)))
    assert norms.hidden[1000, 0, 0] - norms.hidden[0, 0, 0] == pytest.approx(1000 * np.log(1.6))
