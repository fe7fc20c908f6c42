"""The labels: closed forms of linear recurrences, and plain autograd on unrolled cells."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch_oracle import CASES, make_module, unrolled_gradients
from trials import truth
from trials.network import Network
from trials.recipe import Recipe

LINEAR = Recipe("test", "adding", "relu", hidden=3, layers=2, steps=12)
"""Positive weights, states and inputs: a ReLU network that is linear."""


def linear_network(below: float, between: float, above: float) -> Network:
    """Two layers with W_hh = below·I and above·I, and between·I from one to the other."""
    network = Network(LINEAR)
    module = network.recurrence
    eye = torch.eye(3)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(0.1)
        module.weight_hh_l0.copy_(below * eye)
        module.weight_ih_l1.copy_(between * eye)
        module.weight_hh_l1.copy_(above * eye)
    return network


def curves_of(network: Network, seed: int = 0):
    inputs, targets = network.task.batch(np.random.default_rng(seed), LINEAR.steps, 4)
    return truth.gradient_curves(network, inputs, targets)


@pytest.mark.parametrize("between", [0.01, 1.0, 50.0])
def test_growth_of_a_linear_network_is_the_closed_form(between):
    lower, upper = curves_of(linear_network(1.25, between, 0.75))
    lags = np.arange(LINEAR.steps + 1)
    assert upper == pytest.approx(lags * np.log10(0.75), abs=1e-12)
    # What arrives k steps back came down at every step between: Σ_j 1.25^(k-j) 0.75^j, and the gain
    # on the way down is no growth through time. Nothing comes down to h_0.
    downs = [*(k + 1 for k in lags[:-1]), LINEAR.steps]
    sums = [sum(1.25 ** (k - j) * 0.75**j for j in range(downs[k])) for k in lags]
    assert lower == pytest.approx(np.log10(sums), abs=1e-12)
    assert truth.growth(np.array([lower, upper])) == pytest.approx([np.log10(sums[-1]), 0.0])


def test_growth_of_a_linear_network_makes_the_label():
    exploding = truth.growth(curves_of(linear_network(2.5, 1.0, 0.5)))
    assert exploding[0] > 3.3
    assert truth.label(exploding) is True
    assert truth.label(truth.growth(curves_of(linear_network(1.2, 1.0, 0.5)))) is False
    assert truth.label([0.0, 3.29]) is truth.label([2.71]) is None


def test_what_overflows_explodes():
    curves = curves_of(linear_network(1e39, 1e39, 1e39))
    assert np.isposinf(curves).all()
    assert truth.label(truth.growth(curves)) is True
    assert truth.half_life(curves[-1]) is truth.horizon(curves[-1]) is None


def test_a_layer_that_no_gradient_reaches_does_not_explode():
    network = linear_network(1.0, 1.0, 1.0)
    with torch.no_grad():
        network.recurrence.bias_hh_l1.fill_(-1e3)  # dead units above
    lower, upper = curves_of(network)
    assert np.isneginf(lower).all()
    assert upper[0] == 0.0
    assert truth.label(truth.growth(np.array([lower, upper]))) is False


@pytest.mark.parametrize("case", [case for case in CASES if case != "lstm-projected"])
def test_curves_are_those_of_unrolled_cells(case):
    module = make_module(case, num_layers=2)
    inputs = torch.randn(9, 4, 4, dtype=torch.float64)
    cotangent = torch.randn(4, 5, dtype=torch.float64)
    run = truth.unroll(truth.layers_of(module), inputs)
    logs = run.norms((run.hidden[-1][-1] * cotangent).sum())
    zero = torch.zeros(4, 5, dtype=torch.float64)
    states = (zero, zero) if isinstance(module, nn.LSTM) else (zero,)
    expected = unrolled_gradients(module, inputs, [states, states], cotangent).hidden
    assert logs == pytest.approx(np.log10(np.sqrt((expected**2).mean(-1))), abs=1e-12)


def test_only_the_last_steps_loss_counts():
    network = Network(Recipe("test", "flip_flop", "gru", hidden=4, steps=6))
    inputs, targets = network.task.batch(np.random.default_rng(0), 6, 3)
    curves = truth.gradient_curves(network, inputs, targets)
    other = targets.clone()
    other[:-1] = 99.0
    assert np.array_equal(curves, truth.gradient_curves(network, inputs, other))
    other[-1] += 3.0
    assert not np.array_equal(curves, truth.gradient_curves(network, inputs, other))


def test_half_life_and_horizon_of_a_geometric_curve():
    curve = np.log10(0.5) * np.arange(31) / 4.0
    assert truth.half_life(curve) == pytest.approx(4.0)
    assert truth.horizon(curve) is None  # 10^-2.3 at the last lag
    assert truth.horizon(2.0 * curve) == 19
    # A drop from lag 0 to lag 1 is the readout's where a rise is not.
    assert truth.horizon(np.concatenate([[-1.0], 2.0 * curve])) == 20
    assert truth.half_life(-curve) is None
