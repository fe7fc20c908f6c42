"""Every truncation length at once against one truncated autograd run per length."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from measure.from_torch import cells_of
from torch_oracle import CASES, initial_states, make_module
from truncated_autograd import bias_and_cosine, truncated_gradients

from rnndiag.cells import CELLS, LayerWeights
from rnndiag.measure import gram
from rnndiag.measure.lag_gradients import Losses, measure_lag_gradients
from rnndiag.measure.truncation import TruncationCurves
from rnndiag.rollout import run_layer, run_stack

# Both sides are float64 and add up some hundred products; a bias is a root of a difference of them.
EXACT = 1e-10

STEPS, BATCH = 40, 3
LENGTHS = range(1, STEPS + 1)


def case_of(name, layers, bias=True, batch=BATCH, losses=1):
    """A module, its runs as torch and as rnndiag take them, and loss gradients at the last step."""
    module = make_module(name, bias=bias, num_layers=layers)
    with torch.no_grad():  # three times the default's weights are chaotic for some: let them decay
        for parameter in module.parameters():
            parameter.mul_(0.5)
    rng = np.random.default_rng(7)
    inputs = torch.from_numpy(rng.standard_normal((STEPS, batch, 4)))
    initial = initial_states(module, batch)
    states = [[torch.cat(parts, dim=-1).numpy()] for parts in initial]
    runs = [run for (run,) in run_stack(cells_of(module), inputs.numpy(), states)]
    cotangent = rng.standard_normal((losses, batch, module.proj_size or 5))
    return module, inputs, initial, runs, cotangent


def autograd_known(module, inputs, initial, cotangent):
    """Bias and cosine of the gradient of the sum over samples, by length."""
    by_length = truncated_gradients(
        module, inputs, initial, STEPS, torch.from_numpy(cotangent), LENGTHS
    )
    return bias_and_cosine(by_length, by_length[-1])


def autograd_unknown(module, inputs, initial, cotangents):
    """Root mean squares over samples, each with a gradient of its own."""
    samples = []
    for cotangent in cotangents:
        for sample in range(cotangent.shape[0]):
            one = np.zeros_like(cotangent)
            one[sample] = cotangent[sample]
            samples.append(
                truncated_gradients(module, inputs, initial, STEPS, torch.from_numpy(one), LENGTHS)
            )
    by_sample = np.array(samples)
    return bias_and_cosine(by_sample, by_sample[:, -1])


def assert_curves(measured, expected):
    bias, cosine = expected
    curves = TruncationCurves(measured.whole)
    np.testing.assert_allclose(curves.sliding.bias, bias, rtol=EXACT, atol=EXACT)
    np.testing.assert_allclose(curves.sliding.cosine, cosine, rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("forming", [False, True], ids=["pairs", "formed"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("case", CASES)
def test_a_known_loss_equals_one_autograd_run_per_length(case, layers, forming, monkeypatch):
    monkeypatch.setattr(gram, "_forming_is_cheaper", lambda _: forming)
    module, inputs, initial, runs, cotangent = case_of(case, layers)
    measured = measure_lag_gradients(runs, Losses.at_the_end(STEPS, cotangent, independent=False))
    assert_curves(measured, autograd_known(module, inputs, initial, cotangent[0]))


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("case", CASES)
def test_an_unknown_loss_equals_one_autograd_run_per_length_and_sample(case, layers):
    module, inputs, initial, runs, cotangents = case_of(case, layers, losses=2)
    measured = measure_lag_gradients(runs, Losses.at_the_end(STEPS, cotangents, independent=True))
    assert_curves(measured, autograd_unknown(module, inputs, initial, cotangents))


@pytest.mark.parametrize("case", CASES)
def test_without_biases_equals_autograd(case):
    module, inputs, initial, runs, cotangent = case_of(case, 2, bias=False)
    losses = Losses.at_the_end(STEPS, cotangent, independent=False)
    measured = measure_lag_gradients(runs, losses, biases=False)
    assert_curves(measured, autograd_known(module, inputs, initial, cotangent[0]))


@pytest.mark.parametrize("case", CASES)
def test_several_loss_steps_equal_autograd(case):
    """Losses at steps 25, 32 and 40, each cut K steps before itself; the first has but 25 lags."""
    module, inputs, initial, runs, _ = case_of(case, 2)
    steps = (25, 32, 40)
    cotangents = np.random.default_rng(1).standard_normal((3, 1, BATCH, module.proj_size or 5))
    by_length = sum(
        truncated_gradients(module, inputs, initial, step, torch.from_numpy(one[0]), LENGTHS)
        for step, one in zip(steps, cotangents, strict=True)
    )
    measured = measure_lag_gradients(runs, Losses(steps, cotangents, independent=False))
    assert_curves(measured, bias_and_cosine(by_length, by_length[-1]))


@pytest.mark.parametrize("case", CASES)
def test_segments_change_nothing(case, monkeypatch):
    *_, runs, cotangent = case_of(case, 2)
    losses = Losses.at_the_end(STEPS, cotangent, independent=False)
    whole = measure_lag_gradients(runs, losses).whole
    monkeypatch.setattr("rnndiag.rollout.SEGMENT_BYTES", 1)
    monkeypatch.setattr("rnndiag.rollout.WHOLE", 0)
    *_, segmented, _ = case_of(case, 2)
    assert segmented[0].segment_steps < STEPS
    np.testing.assert_allclose(measure_lag_gradients(segmented, losses).whole, whole, rtol=1e-13)


@pytest.mark.parametrize("independent", [True, False])
def test_halves_are_those_of_the_samples(independent):
    module, inputs, initial, runs, cotangent = case_of("gru", 1, batch=4)
    losses = Losses.at_the_end(STEPS, cotangent, independent)
    measured = measure_lag_gradients(runs, losses)
    for half, chosen in zip(measured.halves, (slice(0, 2), slice(2, 4)), strict=True):
        states = [[torch.cat(parts, dim=-1).numpy()[chosen]] for parts in initial]
        own = [r for (r,) in run_stack(cells_of(module), inputs.numpy()[:, chosen], states)]
        expected = measure_lag_gradients(
            own, Losses.at_the_end(STEPS, cotangent[:, chosen], independent)
        ).whole
        # Either is up to a power of two of its own.
        np.testing.assert_allclose(half / half[0, 0], expected / expected[0, 0], rtol=1e-10)


def test_one_sample_has_no_halves_and_two_losses_of_it_do():
    *_, runs, cotangents = case_of("lstm", 1, batch=1, losses=2)
    measure = lambda seeds, independent: measure_lag_gradients(
        runs, Losses.at_the_end(STEPS, seeds, independent)
    )
    assert measure(cotangents[:1], True).halves == ()
    assert measure(cotangents, False).halves == ()
    both = measure(cotangents, True)
    np.testing.assert_allclose(both.halves[0] + both.halves[1], both.whole, rtol=1e-13)


@pytest.mark.parametrize("factor", [4.0, 2.0**-900, 2.0**900])
@pytest.mark.parametrize("case", CASES)
def test_the_size_of_the_loss_changes_nothing(case, factor):
    *_, runs, cotangent = case_of(case, 2)
    one, other = (
        measure_lag_gradients(runs, Losses.at_the_end(STEPS, seed, independent=False)).whole
        for seed in (cotangent, factor * cotangent)
    )
    # A power of two: not a bit may change.
    np.testing.assert_array_equal(one, other)


def scalar_relu(w, steps, state=1.0):
    one = np.ones((1, 1))
    weights = LayerWeights(one, w * one, np.zeros(1), np.zeros(1), None, "relu")
    return run_layer(CELLS["rnn"](weights), np.ones((steps, 1, 1)), state * one)


@pytest.mark.parametrize("w", [0.1, 2.0])
def test_gradients_beyond_float64_are_compared(w):
    """w^k over 1,000 lags: 1e-1000, or 1e301 times states of 1e301."""
    run = scalar_relu(w, 1000)
    losses = Losses.at_the_end(1000, np.ones((1, 1, 1)), independent=False)
    curves = TruncationCurves(measure_lag_gradients([run], losses).whole)
    assert np.isfinite(curves.sliding.bias).all()
    if w < 1.0:
        # The state is 1/(1 − w) from early on, so that lag k adds w^k of what lag 0 adds.
        lengths = np.arange(1, 100)
        np.testing.assert_allclose(curves.sliding.bias[:99], w**lengths, rtol=1e-9)


def test_at_most_so_many_lags(monkeypatch):
    *_, runs, cotangent = case_of("gru", 1)
    losses = Losses.at_the_end(STEPS, cotangent, independent=False)
    whole = measure_lag_gradients(runs, losses).whole
    monkeypatch.setattr("rnndiag.measure.lag_gradients.LAG_LIMIT", 21)
    limited = measure_lag_gradients(runs, losses)
    assert limited.lags == 21
    expected = whole[:21, :21]
    np.testing.assert_allclose(
        limited.whole / limited.whole[0, 0], expected / expected[0, 0], rtol=1e-12
    )
    # 3 samples, of each lag 2 · 15 numbers of δu and 4 + 5 + 2 of x, h and the biases' ones.
    monkeypatch.setattr("rnndiag.measure.lag_gradients.FACTOR_BYTES", 8 * 3 * 41 * 10)
    assert measure_lag_gradients(runs, losses).lags == 10
