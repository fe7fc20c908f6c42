"""Known answers, from a checkpoint that torch saved to the numbers that the command prints.

Expected values and their tolerances are read from ground_truth.json at test time; each case is
built as its "setup" says. The command runs as its own process. Growth rates, and what is no
recurrent network, are in test_ground_truth_growth.py and test_ground_truth_theorems.py.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from cli.known_answers import PRINTED, close, plain
from torch import nn


def test_every_public_case_is_tested(truth):
    """By name, in this folder; the product's singular values are no command's, but measure's."""
    here = Path(__file__).parent
    text = "".join(path.read_text(encoding="utf-8") for path in here.glob("test_ground_truth*.py"))
    assert [name for name in truth if f'"{name}"' not in text] == []


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
    assert spectrum["transient_growth_capped"] is False
    # Relative to 0.9^k it grows as k^7, without end.
    assert spectrum["transient_growth_scaled_step"] == 1000
    assert spectrum["transient_growth_scaled_capped"] is True
    one_step = spectrum["blocks"][0]["spectral_norm"]
    assert one_step == pytest.approx(case["value"]["norms"]["1"], rel=case["tol"])


@pytest.mark.parametrize("power", [10, 50, 100, 200, 400])
def test_powers_of_a_jordan_block(truth, save, power):
    """Positive weights and biases keep every ReLU active: the steps' product is W^k."""
    case = truth["jordan8_0.9"]
    jordan = 0.9 * np.eye(8) + np.diag(np.ones(7), 1)
    weights = {"weight_hh_l0": jordan, "bias_ih_l0": 1.0}
    model = save(plain(nn.RNN, 1, 8, weights, nonlinearity="relu"))
    (layer,) = model.run("bptt-trace", "--seq-len", power, "--input", "zero", "--exponents", 2)
    worst = layer["trace"]["drives"][0]["worst_case_growth_log10"]
    assert 10**worst == pytest.approx(case["value"]["norms"][str(power)], rel=case["tol"])


def test_grcar(truth, save):
    """Powers of W/rho reach 4,983 and come down again; the eigenvalue is ill-conditioned."""
    case = truth["grcar32"]
    ones = [np.diag(np.ones(32 - k), k) for k in range(4)]
    matrix = sum(ones, -np.diag(np.ones(31), -1))
    spectrum = save(plain(nn.RNN, 1, 32, {"weight_hh_l0": matrix})).spectrum()
    block = spectrum["blocks"][0]
    close(case, "rho", block["spectral_radius"])
    close(case, "rho_mp", block["spectral_radius"])
    close(case, "sigma1", block["spectral_norm"])
    close(case, "sigma1_mp", block["spectral_norm"])
    close(case, "henrici", spectrum["henrici"])
    close(case, "peak_scaled", spectrum["transient_growth_scaled"])
    assert spectrum["transient_growth_scaled_step"] == case["value"]["k_star"]
    assert spectrum["transient_growth_scaled_capped"] is False
    assert spectrum["transient_growth"] is None
    assert case["value"]["rho"] <= spectrum["scaled_norm"] < case["value"]["sigma1"]
    # The condition number times n ε σ₁; a per cent for the shift of 1e-6 that stands for it.
    condition = case["value"]["dominant_eigenvalue_condition_mp"]
    uncertainty = condition * 32 * 2.0**-52 * case["value"]["sigma1"]
    assert spectrum["eigenvalue_uncertainty"] == pytest.approx(uncertainty, rel=0.01)


def test_girko(truth, save):
    case = truth["girko_1000_g1.5"]
    matrix = np.random.default_rng(7).standard_normal((1000, 1000)) * 1.5 / math.sqrt(1000)
    spectrum = save(plain(nn.RNN, 1, 1000, {"weight_hh_l0": matrix})).spectrum()
    block = spectrum["blocks"][0]
    close(case, "gF", block["gain"])
    close(case, "rho", block["spectral_radius"])
    close(case, "sigma1", block["spectral_norm"])
    close(case, "henrici", spectrum["henrici"])
    moduli = np.hypot(*np.array(block["eigenvalues"]).T)
    close(case, "frac_half", (moduli < 0.75).mean())
    # The large Jacobian's leading eigenvalues are W's, found by another method.
    jacobian = spectrum["jacobian"]
    assert (jacobian["method"], jacobian["at"]) == ("arnoldi", "fixed-point")
    close(case, "rho", jacobian["spectral_radius"])


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
