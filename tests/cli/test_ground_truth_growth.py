"""Growth rates with known answers: chaotic, subcritical and tent-map networks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from cli.known_answers import plain
from torch import nn


def random_network(gain, size):
    matrix = np.random.default_rng(1).standard_normal((size, size)) * gain / math.sqrt(size)
    return plain(nn.RNN, 1, size, {"weight_hh_l0": matrix}), matrix


@pytest.mark.parametrize(
    ("gain", "name"),
    [
        (1.2, "tanh_meanfield_g1.2"),
        (1.5, "tanh_meanfield_g1.5"),
        (3.0, "tanh_meanfield_g3"),
        (10.0, "tanh_meanfield_g10"),
    ],
)
def test_the_mean_field_of_a_random_network(truth, save, gain, name):
    """The case's tolerance is words: 0.02 at N = 512 and T = 2000, for its finite size."""
    case = truth[name]
    assert case["tol"].startswith("0.02 at N=512,T=2000")
    network, _ = random_network(gain, 512)
    (layer,) = save(network).run(
        *("bptt-trace", "--seq-len", 2000, "--input", "zero", "--batch", 1, "--exponents", 1)
    )
    (rate,) = layer["trace"]["drives"][0]["lyapunov"]
    assert rate == pytest.approx(case["value"]["lambda1"], abs=0.02)
    predictable = math.log(2) / case["value"]["lambda1"]
    assert predictable == pytest.approx(case["value"]["t_pred"], rel=1e-8)


def test_a_subcritical_network_at_rest(truth, save):
    """J = W at h = 0, so that its rates are ln|eigenvalue|, and add up to ln|det W|."""
    case = truth["tanh_subcritical_g0.8"]
    network, matrix = random_network(0.8, 200)
    model = save(network)
    jacobian = model.spectrum()["jacobian"]
    assert (jacobian["at"], jacobian["stable"]) == ("fixed-point", True)
    rates = np.log(np.hypot(*np.array(jacobian["eigenvalues"]).T))
    expected = np.sort(np.log(np.abs(np.linalg.eigvals(matrix))))[::-1]
    assert rates == pytest.approx(expected, rel=case["tol"])
    (layer,) = model.run(
        *("bptt-trace", "--seq-len", 20, "--input", "zero", "--initial-state", "zero"),
        *("--batch", 1, "--exponents", "all"),
    )
    exponents = layer["trace"]["drives"][0]["lyapunov"]
    assert len(exponents) == 200
    assert sum(exponents) == pytest.approx(np.linalg.slogdet(matrix)[1], rel=case["tol"])


def test_the_tent_map(truth, save):
    """Slope ±1.9 at every step: λ₁ = ln 1.9 at once; the rank is one, so the other is lost."""
    case = truth["tent_1.9_relu"]
    weights = {"weight_hh_l0": [[1.9, -3.8], [1.9, -3.8]], "bias_ih_l0": [0.0, -0.5]}
    model = save(plain(nn.RNN, 1, 2, weights, nonlinearity="relu"))
    np.save(model.folder / "h0.npy", np.array([[[0.3, 0.0]]]))
    (layer,) = model.run(
        *("bptt-trace", "--seq-len", 60, "--input", "zero", "--initial-state", "h0.npy"),
        *("--batch", 1, "--exponents", "all"),
    )
    first, second = layer["trace"]["drives"][0]["lyapunov"]
    assert first == pytest.approx(case["value"]["lambda1"], rel=case["tol"])
    assert math.log(2) / first == pytest.approx(case["value"]["t_pred"], rel=case["tol"])
    assert second == "-inf"
