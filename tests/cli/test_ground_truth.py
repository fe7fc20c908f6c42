"""Known answers, from a checkpoint that torch saved to the numbers that the command prints.

Expected values and their tolerances are read from ground_truth.json at test time; each case is
built as its "setup" says. The command runs as its own process.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

# The JSON has twelve significant digits: a value may be off by 5e-13 relative, and a logarithm of
# size ten by 5e-12 in its argument. Added to every case's own tolerance.
PRINTED = 5e-12

COMMAND = (sys.executable, "-m", "rnndiag")


@pytest.fixture(scope="module")
def truth(shared):
    cases = json.loads((shared / "ground_truth.json").read_text())
    return {case["id"]: case for case in cases}


def plain(kind, input_size, hidden_size, weights, **options):
    """A torch module in float64: zero but for the given parameters."""
    module = kind(input_size, hidden_size, **options).double()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.zero_().add_(torch.as_tensor(weights.get(name, 0.0), dtype=torch.float64))
    return module


class Runner:
    """Saves a module once, and runs commands on it."""

    def __init__(self, folder, module):
        self.folder = folder
        self.relu = getattr(module, "nonlinearity", "") == "relu"
        torch.save(module.state_dict(), folder / "model.pt")

    def run(self, command, *options):
        declared = ["--as", "*weight_hh*=rnn:relu"] if self.relu else []
        done = subprocess.run(
            [*COMMAND, command, "model.pt", "--format", "json", *declared, *options],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)["files"][0]["layers"]

    def spectrum(self):
        (layer,) = self.run("spectrum")
        return layer["spectrum"]

    def trace(self, steps, inputs=None, h_0=0.0, c_0=None, cotangent=1.0, width=1):
        """The traced layers' only drives; arrays are filled up to the needed shape."""
        count = int(np.shape(h_0)[0]) if np.ndim(h_0) == 3 else 1
        states = {"h_0": np.broadcast_to(h_0, (count, 1, width)).astype(float)}
        if c_0 is not None:
            states["c_0"] = np.full((1, 1, width), c_0)
        np.savez(self.folder / "states.npz", **states)
        np.save(self.folder / "cotangent.npy", np.broadcast_to(cotangent, (1, 1, width)) + 0.0)
        np.save(self.folder / "inputs.npy", np.full((steps, 1, 1), inputs or 0.0))
        layers = self.run(
            *("bptt-trace", "--seq-len", str(steps), "--input", "inputs.npy"),
            *("--initial-state", "states.npz", "--cotangent", "cotangent.npy"),
        )
        return [layer["trace"]["drives"][0] for layer in layers]


@pytest.fixture
def save(tmp_path):
    return lambda module: Runner(tmp_path, module)


def close(case, key, found):
    """Whether a number is within the case's tolerance, relative, of what is expected."""
    tolerance = case["tol"] + PRINTED
    expected = case["value"][key]
    assert found == pytest.approx(expected, rel=tolerance, abs=tolerance if not expected else 0.0)


def test_scalar_linear(truth, save):
    case = truth["scalar_linear_0.9"]
    model = save(plain(nn.RNN, 1, 1, {"weight_hh_l0": 0.9, "weight_ih_l0": 1}, nonlinearity="relu"))
    (drive,) = model.trace(100, inputs=1.0)
    close(case, "half_life", drive["half_life"])
    close(case, "ftle", drive["rate_per_step"])
    # rnndiag's horizon is the last lag with φ ≥ 1e-3, the case's the first one below.
    assert drive["horizon_1e3"] + 1 == case["value"]["horizon_1e3"]
    close(case, "tau", model.spectrum()["jacobian"]["time_constant"])


@pytest.mark.parametrize(("w", "name"), [(1.5, "scalar_tanh_w1.5"), (5.0, "scalar_tanh_w5")])
def test_scalar_tanh(truth, save, w, name):
    """rho(W) > 1, and the gradient vanishes."""
    case = truth[name]
    model = save(plain(nn.RNN, 1, 1, {"weight_hh_l0": w, "weight_ih_l0": 1}))
    spectrum = model.spectrum()
    assert spectrum["jacobian"]["stable"] is False
    assert spectrum["jacobian"]["spectral_radius"] == w
    reached = spectrum["after_perturbation"]
    assert reached["stable"] is True
    close(case, "h", reached["largest_state"])
    close(case, "J", reached["spectral_radius"])
    (drive,) = model.trace(60, h_0=case["value"]["h"])
    close(case, "half_life", drive["half_life"])
    assert drive["verdict"] == "vanishing"


def test_diagonal(truth, save):
    case = truth["diag_linear"]
    weights = {"weight_hh_l0": np.diag([0.5, 0.9, 0.99]), "weight_ih_l0": 1}
    model = save(plain(nn.RNN, 1, 3, weights, nonlinearity="relu"))
    (drive,) = model.trace(60, inputs=1.0, width=3)
    # φ is relative to the seed (1, 1, 1), whose norm is √3.
    close(case, "norm_k50", 10 ** drive["log10_gradient_norm"][50] * math.sqrt(3))
    rates = [math.log(math.hypot(*e)) for e in model.spectrum()["blocks"][0]["eigenvalues"]]
    assert rates == pytest.approx(case["value"]["ftle"], rel=case["tol"])


def test_rotation(truth, save):
    case = truth["rotation_17"]
    angle = 2 * math.pi / 17
    turn = 0.98 * np.array(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    )
    bias = (np.eye(2) - turn) @ np.full(2, 10.0)
    weights = {"weight_hh_l0": turn, "bias_ih_l0": bias}
    model = save(plain(nn.RNN, 1, 2, weights, nonlinearity="relu"))
    spectrum = model.spectrum()
    jacobian = spectrum["jacobian"]
    assert (jacobian["at"], jacobian["stable"]) == ("fixed-point", True)
    close(case, "modulus", jacobian["spectral_radius"])
    close(case, "period", jacobian["period"])
    close(case, "tau", jacobian["time_constant"])
    close(case, "henrici", spectrum["henrici"])
    (drive,) = model.trace(100, h_0=10.001, cotangent=[[[0.6, -0.8]]], width=2)
    close(case, "sigma_k100", 10 ** drive["log10_gradient_norm"][100])


def test_jordan_block(truth, save):
    case = truth["jordan8_0.9"]
    jordan = 0.9 * np.eye(8) + np.diag(np.ones(7), 1)
    model = save(plain(nn.RNN, 1, 8, {"weight_hh_l0": jordan}, nonlinearity="relu"))
    spectrum = model.spectrum()
    close(case, "rho", spectrum["blocks"][0]["spectral_radius"])
    close(case, "peak", spectrum["transient_growth"])
    assert spectrum["transient_growth_step"] == case["value"]["k_star"]
    one_step = spectrum["blocks"][0]["spectral_norm"]
    assert one_step == pytest.approx(case["value"]["norms"]["1"], rel=case["tol"])


def test_delay_line(truth, save):
    """Every eigenvalue is 0, and the gradient grows for 19 lags before it is gone."""
    case = truth["delay_line_1.2"]
    weights = {"weight_hh_l0": 1.2 * np.diag(np.ones(19), 1), "bias_ih_l0": 1}
    model = save(plain(nn.RNN, 1, 20, weights, nonlinearity="relu"))
    spectrum = model.spectrum()
    close(case, "rho", spectrum["blocks"][0]["spectral_radius"])
    close(case, "henrici", spectrum["henrici"])
    close(case, "norm_k19", spectrum["transient_growth"])
    assert spectrum["transient_growth_step"] == 19
    # The seed on the first unit travels the whole line: it attains the norm of every power.
    (drive,) = model.trace(30, cotangent=np.eye(20)[0], width=20)
    close(case, "norm_k19", 10 ** drive["log10_gradient_norm"][19])
    assert drive["log10_gradient_norm"][20:] == ["-inf"] * 11
    assert drive["verdict"] == "vanishing"


def test_permutation(truth, save):
    case = truth["permutation7_relu"]
    shift = np.roll(np.eye(7), 1, axis=0)
    model = save(plain(nn.RNN, 1, 7, {"weight_hh_l0": shift}, nonlinearity="relu"))
    h_0 = np.random.default_rng(0).uniform(1, 2, 7)
    (drive,) = model.trace(50, h_0=h_0, cotangent=h_0 - 1.5, width=7)
    for value in drive["log10_gradient_norm"]:
        close(case, "ratio", 10**value)
    spectrum = model.spectrum()
    close(case, "orth_error", spectrum["orthogonality_error"])
    eigenvalues = [complex(*pair) for pair in spectrum["blocks"][0]["eigenvalues"]]
    rates = [math.log(abs(value)) for value in eigenvalues]
    assert rates == pytest.approx(case["value"]["ftle"], abs=case["tol"] + PRINTED)
    turning = sorted({round(abs(np.angle(e)), 9) for e in eigenvalues} - {0.0})
    periods = [2 * math.pi / angle for angle in turning]
    # Rounding angles above merges conjugates; it costs 1e-9.
    assert periods == pytest.approx(case["value"]["periods"], rel=1e-8)


def lstm(total, split=0.25):
    """nn.LSTM(1, 4) with nothing but a forget bias, split over torch's two biases."""
    gate = np.repeat([0.0, 1.0, 0.0, 0.0], 4)
    weights = {"bias_ih_l0": gate * total * split, "bias_hh_l0": gate * total * (1 - split)}
    return plain(nn.LSTM, 1, 4, weights)


@pytest.mark.parametrize(("b", "name"), [(3.0, "lstm_forget_b3"), (5.0, "lstm_forget_b5")])
def test_lstm_forget_bias(truth, save, b, name):
    case = truth[name]
    model = save(lstm(b))
    (layer,) = model.run("spectrum")
    eigenvalues = layer["spectrum"]["jacobian"]["eigenvalues"]
    assert eigenvalues[4:] == [[0.0, 0.0]] * 4
    for real, imaginary in eigenvalues[:4]:
        assert imaginary == 0.0
        close(case, "f", real)
        close(case, "ftle", math.log(real))
    close(case, "tau", layer["spectrum"]["jacobian"]["time_constant"])
    tau = layer["weights"]["gate_time_constants"]["forget"]
    for key in ("median", "shortest", "longest"):
        close(case, "tau", tau[key])
    close(case, "chrono", -1 / math.expm1(-1 / tau["median"]))
    (drive,) = model.trace(100, c_0=0.3, width=4)
    cell = drive["log10_cell_gradient_norm"]
    close(case, "prod_100", 10 ** (cell[100] - cell[0]))
    # No path leads from h to the next step.
    assert drive["log10_gradient_norm"][1:] == ["-inf"] * 100


def test_chrono_initialisation(truth, save):
    case = truth["chrono_T784"]
    (layer,) = save(lstm(math.log(783))).run("inspect")
    tau = layer["weights"]["gate_time_constants"]["forget"]["median"]
    close(case, "tau", tau)
    close(case, "chrono", -1 / math.expm1(-1 / tau))


def test_gru_update_bias(truth, save):
    case = truth["gru_update_b5"]
    gate = np.repeat([0.0, 1.0, 0.0], 4)
    model = save(plain(nn.GRU, 1, 4, {"bias_ih_l0": 2 * gate, "bias_hh_l0": 3 * gate}))
    for real, imaginary in model.spectrum()["jacobian"]["eigenvalues"]:
        assert imaginary == 0.0
        close(case, "z", real)
    (drive,) = model.trace(1000, h_0=0.5, width=4)
    close(case, "norm_k1000", 10 ** drive["log10_gradient_norm"][1000])
    close(case, "ftle", drive["rate_per_step"])


def test_two_layer_resonance(truth, save):
    """(k + 1) · 0.9^k: the gradient grows fourfold before it decays: both layers contract."""
    case = truth["two_layer_resonance"]
    weights = {"weight_ih_l0": 1, "weight_ih_l1": 1, "weight_hh_l0": 0.9, "weight_hh_l1": 0.9}
    model = save(plain(nn.RNN, 1, 1, weights, num_layers=2, nonlinearity="relu"))
    below, top = model.trace(60, inputs=1.0, h_0=np.ones((2, 1, 1)))
    close(case, "k10", 10 ** below["log10_gradient_norm"][10])
    close(case, "k50", 10 ** below["log10_gradient_norm"][50])
    close(case, "peak", 10 ** below["growth_log10"])
    assert below["growth_lag"] in case["value"]["k_peak"]
    assert 10 ** top["log10_gradient_norm"][10] == pytest.approx(0.9**10, rel=case["tol"])
