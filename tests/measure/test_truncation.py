"""Bias laws against closed forms, loops that really detach, and invariants."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from measure.from_torch import cells_of
from torch_oracle import CASES, initial_states, make_module
from truncated_autograd import bias_and_cosine, step_all

from rnndiag.measure.lag_gradients import Losses, measure_lag_gradients
from rnndiag.measure.truncation import TruncationCurves
from rnndiag.rollout import run_stack

# A bias is the root of a sum of some thousand products that were rounded at 1e-16.
EXACT = 1e-10


def geometric(beta, lags):
    sizes = beta ** np.arange(float(lags))
    return TruncationCurves(np.multiply.outer(sizes, sizes))


def random_curves(lags=30, seed=0):
    """Of lags whose gradients turn and even cancel, in 50 parameters: (curves, gradients)."""
    rng = np.random.default_rng(seed)
    gradients = rng.standard_normal((lags, 50)) * 0.9 ** np.arange(lags)[:, None]
    return TruncationCurves(gradients @ gradients.T), gradients


@pytest.mark.parametrize(("case", "beta"), [("tbptt_scalar_0.9", 0.9), ("tbptt_scalar_0.99", 0.99)])
def test_the_scalar_laws(shared, case, beta):
    cases = json.loads((shared / "ground_truth.json").read_text(encoding="utf-8"))
    (known,) = [entry for entry in cases if entry["id"] == case]
    value, tolerance = known["value"], known["tol"]
    curves, length = geometric(beta, 3000), known["value"]["K"]
    assert curves.sliding.bias[length - 1] == pytest.approx(value["sliding"], rel=tolerance)
    assert curves.chunk.bias[length - 1] == pytest.approx(value["chunked"], rel=tolerance)


@pytest.mark.parametrize("beta", [0.3, 0.8, 0.95])
def test_the_laws_at_other_rates(beta):
    curves, lengths = geometric(beta, 1000), np.arange(1, 200)
    sliding, chunk = curves.sliding.bias[:199], curves.chunk.bias[:199]
    np.testing.assert_allclose(sliding, beta**lengths, rtol=1e-9)
    np.testing.assert_allclose(
        chunk, beta * (1 - beta**lengths) / (lengths * (1 - beta)), rtol=1e-9
    )
    # All gradients of one direction: no scheme can turn them.
    np.testing.assert_allclose(curves.sliding.cosine, 1.0, rtol=1e-12)
    np.testing.assert_allclose(curves.chunk.cosine, 1.0, rtol=1e-12)


def test_every_length_equals_its_own_sum():
    curves, gradients = random_curves()
    whole = gradients.sum(axis=0)
    heads = np.cumsum(gradients, axis=0)
    bias, cosine = bias_and_cosine(heads, whole)
    np.testing.assert_allclose(curves.sliding.bias, bias, rtol=EXACT, atol=1e-12)
    np.testing.assert_allclose(curves.sliding.cosine, cosine, rtol=EXACT)
    means = np.cumsum(heads, axis=0) / np.arange(1, 31)[:, None]
    bias, cosine = bias_and_cosine(means, whole)
    np.testing.assert_allclose(curves.chunk.bias, bias, rtol=EXACT)
    np.testing.assert_allclose(curves.chunk.cosine, cosine, rtol=EXACT)


def test_one_length_equals_its_place_on_the_curve():
    curves, _ = random_curves()
    for length in range(1, 31):
        for one, curve in (
            (curves.keeping_lags(length), curves.sliding),
            (curves.detaching_every(length), curves.chunk),
        ):
            np.testing.assert_allclose(one.bias, curve.bias[length - 1], rtol=EXACT, atol=1e-12)
            np.testing.assert_allclose(one.cosine, curve.cosine[length - 1], rtol=EXACT)


def test_beyond_the_lags_nothing_is_left_to_lose():
    curves, gradients = random_curves()
    assert curves.keeping_lags(45).bias == 0.0
    # The curves of the same gradients with 60 lags of nothing behind them.
    padded = np.concatenate([gradients, np.zeros((60, 50))])
    longer = TruncationCurves(padded @ padded.T)
    assert curves.detaching_every(80).bias == pytest.approx(longer.chunk.bias[79], rel=EXACT)
    assert curves.detaching_every(80).cosine == pytest.approx(longer.chunk.cosine[79], rel=EXACT)


def test_all_lags_are_the_whole_gradient():
    curves, _ = random_curves()
    assert curves.sliding.bias[-1] == 0.0
    assert curves.sliding.cosine[-1] == pytest.approx(1.0, rel=1e-12)


def test_a_bias_may_return_and_exceed_one():
    """Lags 1 and −2 and 1.5: what is left out after one lag is half, after two three times g."""
    parts = np.array([1.0, -2.0, 1.5])
    curves = TruncationCurves(np.multiply.outer(parts, parts))
    np.testing.assert_allclose(curves.sliding.bias, [1.0, 3.0, 0.0], rtol=1e-12)
    np.testing.assert_allclose(curves.sliding.cosine, [1.0, -1.0, 1.0], rtol=1e-12)


def test_scaling_and_turning_the_gradients_changes_nothing():
    curves, gradients = random_curves()
    turned = gradients @ np.linalg.qr(np.random.default_rng(5).standard_normal((50, 50)))[0] * 1e-60
    other = TruncationCurves(turned @ turned.T)
    for name in ("sliding", "chunk"):
        one, two = getattr(curves, name), getattr(other, name)
        np.testing.assert_allclose(one.bias, two.bias, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(one.cosine, two.cosine, rtol=1e-9)


def test_no_gradient_is_said():
    assert TruncationCurves(np.zeros((5, 5))).is_zero
    assert not geometric(0.5, 5).is_zero


def at_rest(case):
    """A module on constant input at its fixed point: every loss step then has the same lags."""
    module = make_module(case, num_layers=2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(0.4)
    x = torch.ones(1, 4, dtype=torch.float64)
    state = initial_states(module, batch=1)
    with torch.no_grad():
        for _ in range(2000):
            state = step_all(module, x, state)
    return module, x, [tuple(part.clone() for part in parts) for parts in state]


def looped(module, x, state, back, counted):
    """Really go back `back` steps from a state at rest, with losses at the last `counted` ones."""
    losses = []
    for _ in range(back):
        state = step_all(module, x, state)
        losses.append(state[-1][0].sum())
    parts = torch.autograd.grad(sum(losses[back - counted :]), list(module.parameters()))
    return torch.cat([part.flatten() for part in parts]).numpy() / counted


LAGS = 150
"""At 0.4 times three times the default's weights nothing is left after so many, at 1e-12."""


@pytest.mark.parametrize("case", CASES)
def test_loops_that_detach_have_the_bias_that_is_told(case):
    """Truncated back-propagation as it is written in training loops, on a network at rest."""
    module, x, state = at_rest(case)
    states = [[torch.cat(parts, dim=-1).numpy()] for parts in state]
    runs = [r for (r,) in run_stack(cells_of(module), x.expand(LAGS, 1, 4).numpy(), states)]
    seed = np.ones((1, 1, module.proj_size or 5))
    measured = measure_lag_gradients(runs, Losses.at_the_end(LAGS, seed, independent=False))
    curves = TruncationCurves(measured.whole)
    whole = looped(module, x, state, LAGS, 1)
    for chunk in (1, 2, 5, 12):
        bias, cosine = bias_and_cosine(looped(module, x, state, chunk, chunk)[None], whole)
        np.testing.assert_allclose(curves.chunk.bias[chunk - 1], bias[0], rtol=1e-8)
        np.testing.assert_allclose(curves.chunk.cosine[chunk - 1], cosine[0], rtol=1e-8)
    for k1, k2 in ((1, 3), (2, 5), (4, 7), (5, 5)):
        bias, cosine = bias_and_cosine(looped(module, x, state, k2, k1)[None], whole)
        deviation = curves.window(k1, k2)
        np.testing.assert_allclose(deviation.bias, bias[0], rtol=1e-8)
        np.testing.assert_allclose(deviation.cosine, cosine[0], rtol=1e-8)
