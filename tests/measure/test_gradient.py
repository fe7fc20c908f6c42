"""The reverse scan against plain autograd on unrolled torch cells, mpmath and closed forms."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import torch
from torch_oracle import CASES, initial_states, make_module, unrolled_gradients

from rnndiag.cells import CELLS, LayerWeights
from rnndiag.measure.gradient import ScaledVectors, trace_gradients
from rnndiag.rollout import run_layer, run_stack

# Both sides run the same recursion in float64; 40 steps of it leave some 1e-14 between them.
EXACT = 1e-10


def cells_of(module):
    """cells[depth][direction] with the torch module's weights."""
    kind = type(module).__name__.lower()

    def weights(suffix):
        get = lambda n: getattr(module, f"{n}_{suffix}").detach().numpy()
        rows = get("weight_hh").shape[0]
        return LayerWeights(
            get("weight_ih"),
            get("weight_hh"),
            get("bias_ih") if module.bias else np.zeros(rows),
            get("bias_hh") if module.bias else np.zeros(rows),
            get("weight_hr") if module.proj_size else None,
            module.nonlinearity if kind == "rnn" else "tanh",
        )

    directions = ["", "_reverse"] if module.bidirectional else [""]
    return [
        [CELLS[kind](weights(f"l{layer}{d}")) for d in directions]
        for layer in range(module.num_layers)
    ]


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
@pytest.mark.parametrize("case", CASES)
def test_every_lag_equals_autograd(case, bias, layers):
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
    assert big.plus(tiny).log_norm() == pytest.approx(np.log(5) + 5000 * np.log(2), rel=1e-15)
    assert tiny.plus(nothing).log_norm() == tiny.log_norm()
    assert nothing.plus(nothing).log_norm() == -np.inf


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
