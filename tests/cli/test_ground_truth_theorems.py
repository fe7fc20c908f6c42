"""Theorems and identities with known answers: certificates, truncation, Adam, long products."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cli.command import rnndiag
from cli.known_answers import Runner, close, plain
from torch import nn

from rnndiag.measure.jacobian_product import product_singular_values

TURN = np.linalg.qr(np.random.default_rng(0).standard_normal((5, 5)))[0]


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize(
    ("matrix", "certified"),
    [
        (0.999 * TURN, True),  # σ₁ just below 1/γ
        (1.001 * TURN, False),
        (np.array([[0.0, 8.0], [0.1, 0.0]]), True),  # σ₁ = 8, but √0.8 in the best units
        (np.array([[0.0, 8.0], [0.2, 0.0]]), False),
    ],
)
def test_the_conditions_of_pascanu(truth, save, activation, matrix, certified):
    """Vanishing is certified by min ‖DWD⁻¹‖ < 1/γ; where it is, no gradient grows for long."""
    case = truth["pascanu_conditions"]
    assert case["value"]["gamma_tanh"] == 1.0  # and of relu: the slopes' largest size
    size = len(matrix)
    weights = {"weight_hh_l0": matrix, "bias_ih_l0": 1.0}
    model = save(plain(nn.RNN, 1, size, weights, nonlinearity=activation))
    spectrum = model.spectrum()
    assert spectrum["certified_contracting"] is certified
    assert spectrum["scaled_norm"] <= spectrum["blocks"][0]["spectral_norm"]
    (layer,) = model.run("bptt-trace", "--seq-len", 300, "--input", "zero", "--exponents", 2)
    worst = layer["trace"]["drives"][0]["worst_case_growth_log10"]
    bound = spectrum["scaled_norm"] ** 300 * spectrum["scaled_norm_condition"]
    assert worst == "-inf" or worst is None or 10**worst <= bound * (1 + 1e-9)


@pytest.mark.parametrize(
    ("beta", "steps", "name"), [(0.9, 300, "tbptt_scalar_0.9"), (0.99, 3000, "tbptt_scalar_0.99")]
)
def test_truncation_of_a_scalar(truth, save, beta, steps, name):
    """From its fixed point, so that every step's parameter gradient is a power of β."""
    case = truth[name]
    model = save(
        plain(nn.RNN, 1, 1, {"weight_hh_l0": beta, "weight_ih_l0": 1}, nonlinearity="relu")
    )
    np.save(model.folder / "ones.npy", np.ones((steps, 1, 1)))
    np.save(model.folder / "h0.npy", np.full((1, 1, 1), 1 / (1 - beta)))
    advice = model.file(
        *("suggest", "--seq-len", steps, "--input", "ones.npy", "--initial-state", "h0.npy")
    )["advice"]["truncation"]
    assert advice["lags"] == case["value"]["K_sliding_for_0p1"]
    assert advice["chunk"] == case["value"]["chunk_for_0p1"]
    shortest_first = case["value"]["K"] - 1
    close(case, "sliding", advice["curve"]["sliding_bias"][shortest_first])
    close(case, "chunked", advice["curve"]["chunk_bias"][shortest_first])


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW])
def test_the_norm_that_adam_remembers(truth, tmp_path, kind):
    """R² = Σ w_s ‖g_s‖², of the gradients that the optimizer saw."""
    case = truth["adam_rms_identity"]
    torch.manual_seed(0)
    model = nn.RNN(2, 4)
    optimizer = kind(model.parameters(), betas=(0.9, 0.99))
    squares = []
    for _ in range(40):
        optimizer.zero_grad()
        model(torch.randn(6, 3, 2))[0].square().mean().backward()
        squares.append(sum(float(p.grad.double().square().sum()) for p in model.parameters()))
        optimizer.step()
    weights = 0.99 ** np.arange(39, -1, -1)
    expected = weights / weights.sum() @ np.array(squares)
    file = tmp_path / "model.pt"
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, file)
    found = Runner.parsed(rnndiag("inspect", file, "--format", "json"))["training_state"]
    ratio = found["gradient_rms_norm"] ** 2 / expected
    assert ratio == pytest.approx(case["value"]["identity"], abs=case["tol"])


def test_the_singular_values_of_a_long_product(truth):
    """No command shows them: straight from measure/."""
    case = truth["product_svd_6x120"]
    rng = np.random.default_rng(11)
    factors = np.array([rng.standard_normal((6, 6)) / np.sqrt(6) for _ in range(120)])
    found = product_singular_values(factors)
    assert found == pytest.approx(case["value"]["log_sigma"], rel=case["tol"])
