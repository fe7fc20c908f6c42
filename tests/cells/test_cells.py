"""Every cell's step and linearisation against torch's own modules and torch.func.jacrev."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import torch
from torch_oracle import CASES, initial_states, make_module

from rnndiag.cells import CELLS, LayerWeights

# Both sides compute the same sums in float64, in another order: a few units in the last place of
# numbers of order one.
EXACT = 1e-12


def cell_of(module):
    """rnndiag's cell with the torch module's first layer's weights."""
    get = lambda name: getattr(module, name).detach().numpy()
    rows = module.weight_hh_l0.shape[0]
    kind = type(module).__name__.lower()
    weights = LayerWeights(
        weight_ih=get("weight_ih_l0"),
        weight_hh=get("weight_hh_l0"),
        bias_ih=get("bias_ih_l0") if module.bias else np.zeros(rows),
        bias_hh=get("bias_hh_l0") if module.bias else np.zeros(rows),
        weight_hr=get("weight_hr_l0") if module.proj_size else None,
        activation=module.nonlinearity if kind == "rnn" else "tanh",
    )
    return CELLS[kind](weights)


def torch_step(module, x, state):
    """One step of torch's module on the joined state (h, c)."""
    width = module.proj_size or module.hidden_size
    h, c = state[None, :, :width].contiguous(), state[None, :, width:].contiguous()
    if isinstance(module, torch.nn.LSTM):
        _, (h, c) = module(x[None], (h, c))
        return torch.cat([h[0], c[0]], dim=-1)
    return module(x[None], h)[1][0]


@pytest.fixture(params=[True, False], ids=["bias", "no-bias"])
def bias(request):
    return request.param


@pytest.fixture(params=CASES)
def setting(request, bias):
    """(torch module, our cell, inputs (6, 4), joined states (6, S))."""
    module = make_module(request.param, bias=bias)
    state = torch.cat(initial_states(module, batch=6)[0], dim=-1)
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return module, cell_of(module), x, state


def torch_jacobian(module, x, state):
    rows = []
    for x_row, s_row in zip(x, state, strict=True):
        jacobian = torch.func.jacrev(lambda s, xr=x_row: torch_step(module, xr[None], s[None])[0])
        rows.append(jacobian(s_row).detach().numpy())
    return np.array(rows)


def test_step_equals_torch(setting):
    module, cell, x, state = setting
    ours = cell.step(cell.project(x.numpy()), state.numpy())
    np.testing.assert_allclose(
        ours, torch_step(module, x, state).detach().numpy(), rtol=EXACT, atol=EXACT
    )


def test_jacobian_equals_jacrev(setting):
    module, cell, x, state = setting
    ours = cell.linearise(cell.project(x.numpy()), state.numpy()).jacobian()
    np.testing.assert_allclose(ours, torch_jacobian(module, x, state), rtol=EXACT, atol=EXACT)


def test_products_equal_the_torch_jacobian(setting):
    module, cell, x, state = setting
    linearisation = cell.linearise(cell.project(x.numpy()), state.numpy())
    jacobian = torch_jacobian(module, x, state)
    v = np.random.default_rng(3).standard_normal(state.shape)
    np.testing.assert_allclose(
        linearisation.vjp(v).state, np.einsum("bij,bi->bj", jacobian, v), rtol=EXACT, atol=EXACT
    )
    np.testing.assert_allclose(
        linearisation.jvp(v), np.einsum("bij,bj->bi", jacobian, v), rtol=EXACT, atol=EXACT
    )


def test_drive_gradient_equals_autograd_through_the_input_weights(setting):
    module, cell, x, state = setting
    v = np.random.default_rng(3).standard_normal(state.shape)
    pullback = cell.linearise(cell.project(x.numpy()), state.numpy()).vjp(v)
    x = x.clone().requires_grad_()
    (torch_step(module, x, state) * torch.from_numpy(v)).sum().backward()
    np.testing.assert_allclose(
        pullback.drive @ cell.weights.weight_ih, x.grad.numpy(), rtol=EXACT, atol=EXACT
    )


def test_products_are_adjoint(setting):
    """<v, J u> = <Jᵀ v, u>: holds whatever the weights are."""
    _, cell, x, state = setting
    linearisation = cell.linearise(cell.project(x.numpy()), state.numpy())
    u, v = np.random.default_rng(4).standard_normal((2, *state.shape))
    left = (v * linearisation.jvp(u)).sum(-1)
    np.testing.assert_allclose(
        left, (linearisation.vjp(v).state * u).sum(-1), rtol=EXACT, atol=EXACT
    )


def test_one_step_of_many_is_that_step(setting):
    _, cell, x, state = setting
    together = cell.linearise(cell.project(x.numpy()), state.numpy())
    alone = cell.linearise(cell.project(x.numpy()[2]), state.numpy()[2])
    np.testing.assert_array_equal(together[2].jacobian().shape, alone.jacobian().shape)
    np.testing.assert_allclose(together[2].jacobian(), alone.jacobian(), rtol=EXACT, atol=EXACT)


def test_origin_eigenvalues_of_the_lstm_have_their_closed_form():
    """At h = c = 0 without input and only b_f set: f + μ/4 with μ in eig(W_hg), and zeros."""
    rng = np.random.default_rng(5)
    weight_hh, bias = rng.standard_normal((16, 4)), np.zeros(16)
    bias[4:8] = 2.5
    cell = CELLS["lstm"](LayerWeights(np.zeros((16, 1)), weight_hh, bias, np.zeros(16)))
    jacobian = cell.linearise(cell.project(np.zeros(1)), np.zeros(8)).jacobian()
    found = np.linalg.eigvals(jacobian)
    expected = 1 / (1 + np.exp(-2.5)) + np.linalg.eigvals(weight_hh[8:12]) / 4
    # Eigenvalues of a 8x8 matrix whose eight are simple or zero blocks: 1e-7 is sqrt(eps), what a
    # defective zero eigenvalue may be off by.
    for value in expected:
        assert np.abs(found - value).min() < 1e-7


def test_origin_eigenvalues_of_the_gru_have_their_closed_form():
    """At h = 0 without input and only b_r, b_z set: z + (1 − z) r μ with μ in eig(W_hn)."""
    rng = np.random.default_rng(6)
    weight_hh, bias = rng.standard_normal((12, 4)), np.zeros(12)
    bias[:4], bias[4:8] = 0.7, 1.3
    cell = CELLS["gru"](LayerWeights(np.zeros((12, 1)), weight_hh, bias, np.zeros(12)))
    found = np.linalg.eigvals(cell.linearise(cell.project(np.zeros(1)), np.zeros(4)).jacobian())
    r, z = 1 / (1 + np.exp(-0.7)), 1 / (1 + np.exp(-1.3))
    for value in z + (1 - z) * r * np.linalg.eigvals(weight_hh[8:]):
        assert np.abs(found - value).min() < EXACT


@pytest.mark.parametrize("gain", [15.0, 20.0, 300.0])
def test_a_saturated_slope_keeps_its_digits(gain):
    """tanh′ where 1 − tanh² is rounded away: torch's autograd gives 0 there, mpmath the truth."""
    one = np.ones((1, 1))
    cell = CELLS["rnn"](LayerWeights(0 * one, gain * one, np.zeros(1), np.zeros(1)))
    slope = cell.linearise(np.zeros((1, 1)), one).jacobian()[0, 0, 0]
    with mpmath.workdps(300):
        expected = float(gain * (1 - mpmath.tanh(gain) ** 2))
    # exp(−2a) carries the rounding of its argument: 600 half-ulps at most.
    assert slope == pytest.approx(expected, rel=1e-13)


def test_an_open_gate_keeps_the_digits_of_its_slope():
    """LSTM with f open to b = 40: ∂c′/∂h = c f(1 − f) W_hf, 4e-18 where 1 − f is exactly 0."""
    weight_hh = np.zeros((4, 1))
    weight_hh[1] = 1.0
    bias = np.array([0.0, 40.0, 0.0, 0.0])
    cell = CELLS["lstm"](LayerWeights(np.zeros((4, 1)), weight_hh, bias, np.zeros(4)))
    jacobian = cell.linearise(cell.project(np.zeros(1)), np.array([0.0, 1.0])).jacobian()
    assert jacobian[1, 0] == pytest.approx(np.exp(-40.0) / (1 + np.exp(-40.0)) ** 2, rel=1e-14)


@pytest.mark.parametrize("closed", [-30.0, -600.0, -1000.0])
def test_a_closed_gate_passes_what_it_should(closed):
    """f = σ(b) passes c's gradient on alone: e^b in full precision, and 0 below all floats."""
    bias = np.array([0.0, closed, 0.0, 0.0])
    cell = CELLS["lstm"](LayerWeights(np.zeros((4, 1)), np.zeros((4, 1)), bias, np.zeros(4)))
    jacobian = cell.linearise(cell.project(np.zeros(1)), np.array([0.0, 1.0])).jacobian()
    with mpmath.workdps(30):
        expected = float(1 / (1 + mpmath.exp(-mpmath.mpf(closed))))
    assert jacobian[1, 1] == pytest.approx(expected, rel=1e-14, abs=0.0)
