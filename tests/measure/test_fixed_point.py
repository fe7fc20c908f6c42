"""Where recurrences settle: closed forms, mpmath roots and torch's own step and Jacobian."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import torch
from measure.from_torch import cells_of
from measure.plain_rnn import rnn
from torch_oracle import CASES, make_module

from rnndiag.cells import CELLS, LayerWeights
from rnndiag.measure import fixed_point
from rnndiag.measure.eigenvalues import sorted_eigenvalues
from rnndiag.measure.fixed_point import LARGEST_STATE, find_fixed_point, measure_settling
from rnndiag.readings.settling import read_settling

# Fixed points are found to 1e-13 relative by iteration, 1e-11 by Newton; see TOLERANCE there.
FOUND = 1e-10

# Eigenvalues of matrices of order 10 in closed form: some ulps.
EXACT = 1e-12


def turning(gain, angle):
    c, s = math.cos(angle), math.sin(angle)
    return gain * np.array([[c, -s], [s, c]])


def positive_root(w, b=0.0):
    """h = tanh(w h + b) in 30 digits."""
    with mpmath.workdps(30):
        return mpmath.findroot(lambda h: mpmath.tanh(w * h + b) - h, 0.9)


@pytest.mark.parametrize("w", [1.1, 1.5, 2.0, 5.0])
def test_scalar_tanh_leaves_its_unstable_origin(w):
    settling = measure_settling(rnn(w))
    origin, reached = settling.jacobian, settling.after_push
    assert (origin.at, origin.stable, origin.spectral_radius) == ("fixed-point", False, w)
    assert origin.largest_state == 0.0
    root = positive_root(w)
    assert reached.stable
    assert reached.largest_state == pytest.approx(float(root), rel=FOUND)
    slope = w * (1 - root**2)
    assert reached.spectral_radius == pytest.approx(float(slope), rel=1e-9)
    assert reached.time_constant == pytest.approx(float(-1 / mpmath.log(slope)), rel=1e-9)
    assert reached.period is None


@pytest.mark.parametrize(("w", "b"), [(0.5, 0.3), (1.5, 0.3), (1.0, 0.3), (-0.9, 0.7)])
def test_scalar_tanh_with_a_bias_settles_at_the_root(w, b):
    settling = measure_settling(rnn(w, b))
    root = positive_root(w, b)
    assert settling.jacobian.stable
    assert settling.after_push is None
    assert settling.jacobian.largest_state == pytest.approx(float(abs(root)), rel=FOUND)
    assert settling.jacobian.eigenvalues[0] == pytest.approx(float(w * (1 - root**2)), rel=1e-9)


def test_a_slow_contraction_is_finished_by_newton():
    """h = 0.9995 h + 1e-3 by ReLU: after 1,000 steps still 60 % away from its h = 2."""
    settling = measure_settling(rnn(0.9995, 1e-3, "relu"))
    assert settling.jacobian.stable
    assert settling.jacobian.largest_state == pytest.approx(2.0, rel=1e-9)
    assert settling.jacobian.time_constant == pytest.approx(-1 / math.log(0.9995), rel=1e-9)


def test_a_rotation_has_its_period_and_time_constant():
    matrix = turning(0.98, 2 * math.pi / 17)
    jacobian = measure_settling(rnn(matrix, (np.eye(2) - matrix) @ [10, 10], "relu")).jacobian
    assert (jacobian.at, jacobian.stable) == ("fixed-point", True)
    assert jacobian.largest_state == pytest.approx(10, rel=FOUND)
    assert jacobian.period == pytest.approx(17, rel=EXACT)
    assert jacobian.time_constant == pytest.approx(-1 / math.log(0.98), rel=1e-10)
    assert jacobian.spectral_norm == pytest.approx(0.98, rel=EXACT)


def test_a_negative_eigenvalue_turns_once_in_two_steps():
    assert measure_settling(rnn(-0.5)).jacobian.period == pytest.approx(2.0, rel=EXACT)


def test_a_limit_cycle_has_no_state_after_the_push():
    """Turning and growing out of the origin, bounded by tanh: it settles nowhere."""
    settling = measure_settling(rnn(turning(1.3, 0.7)))
    assert settling.jacobian.stable is False
    assert settling.jacobian.spectral_radius == pytest.approx(1.3, rel=EXACT)
    assert settling.jacobian.period == pytest.approx(2 * math.pi / 0.7, rel=EXACT)
    assert settling.after_push is None


def test_a_period_two_cycle_without_a_fixed_point_found_is_taken_at_the_origin():
    """h′ = tanh(−5 h + 0.3) alternates; from there Newton finds nothing within its steps."""
    settling = measure_settling(rnn(-5.0, 0.3))
    jacobian = settling.jacobian
    slope = -5 / math.cosh(0.3) ** 2
    assert (jacobian.at, jacobian.stable, jacobian.largest_state) == ("origin", None, 0.0)
    assert jacobian.eigenvalues[0] == pytest.approx(slope, rel=EXACT)


@pytest.mark.parametrize(("w", "b"), [(1.5, 1.0), (1.0, 1.0), (3.0, 1e-3)])
def test_a_relu_that_runs_away_has_no_fixed_point(w, b):
    """h′ = w h + b > h for all h ≥ 0; h = b/(1 − w) is negative, which no ReLU is."""
    jacobian = measure_settling(rnn(w, b, "relu")).jacobian
    assert (jacobian.at, jacobian.stable) == ("origin", None)
    assert jacobian.spectral_radius == w


@pytest.mark.parametrize("w", [0.0, 0.5, 0.9, 1.0, 1.5])
def test_a_relu_at_rest_has_the_slope_of_its_active_side(w):
    """Torch's slope 0 at exactly 0 would call all of these stable, with no memory."""
    jacobian = measure_settling(rnn(w, 0.0, "relu")).jacobian
    assert jacobian.at == "fixed-point"
    assert jacobian.spectral_radius == w
    assert jacobian.stable == (None if w == 1 else w < 1)
    assert jacobian.time_constant == (
        pytest.approx(-1 / math.log(w), rel=EXACT) if 0 < w < 1 else None
    )


def test_a_relu_switched_off_by_its_bias_has_no_memory():
    jacobian = measure_settling(rnn(np.diag([5.0, 0.9]), [-1.0, 0.0], "relu")).jacobian
    assert jacobian.eigenvalues.tolist() == [0.9, 0.0]


def test_lstm_at_the_origin():
    """Only b_f set: f + μ/4 with μ in eig(W_hg), and 0 for each h; THEORY's example is 1.174."""
    bias = np.repeat([0.0, 2.5, 0.0, 0.0], 4)
    zero, identity = np.zeros((4, 4)), np.eye(4)
    cell = CELLS["lstm"](
        LayerWeights(
            np.zeros((16, 1)), np.concatenate([zero, zero, identity, zero]), bias, 0 * bias
        )
    )
    jacobian = measure_settling(cell).jacobian
    f = 1 / (1 + math.exp(-2.5))
    # Each h mirrors its c: J's blocks are [[μ/8, f/2], [μ/4, f]], whose determinant is 0.
    assert jacobian.eigenvalues[:4] == pytest.approx(np.full(4, f + 0.25), rel=EXACT)
    assert np.abs(jacobian.eigenvalues[4:]) == pytest.approx(np.zeros(4), abs=1e-12)
    assert jacobian.spectral_radius == pytest.approx(1.174, abs=5e-4)
    assert jacobian.stable is False


def test_lstm_with_a_strong_input_gate_still_contracts():
    """W_hi = 30 I and b_f = 4: a block's eigenvalues of 30, a step's of f = 0.982."""
    bias = np.repeat([0.0, 4.0, 0.0, 0.0], 3)
    zero = np.zeros((3, 3))
    blocks = np.concatenate([30 * np.eye(3), zero, zero, zero])
    cell = CELLS["lstm"](LayerWeights(np.zeros((12, 1)), blocks, bias, 0 * bias))
    jacobian = measure_settling(cell).jacobian
    assert jacobian.spectral_radius == pytest.approx(1 / (1 + math.exp(-4)), rel=EXACT)
    assert jacobian.stable


def test_gru_at_the_origin():
    """Only b_r and b_z set: z + (1 − z) r μ with μ in eig(W_hn)."""
    rng = np.random.default_rng(6)
    weight_hh = np.concatenate([rng.standard_normal((8, 4)), turning_blocks()])
    bias = np.repeat([0.7, 1.3, 0.0], 4)
    cell = CELLS["gru"](LayerWeights(np.zeros((12, 1)), weight_hh, bias, 0 * bias))
    r, z = 1 / (1 + math.exp(-0.7)), 1 / (1 + math.exp(-1.3))
    mu = np.array([0.5 * np.exp(0.4j), 0.5 * np.exp(-0.4j), 0.3, -0.6])
    expected = sorted(z + (1 - z) * r * mu, key=lambda e: (-abs(e), -e.imag))
    found = measure_settling(cell).jacobian.eigenvalues
    assert found == pytest.approx(np.array(expected), rel=EXACT)


def turning_blocks():
    matrix = np.zeros((4, 4))
    matrix[:2, :2] = turning(0.5, 0.4)
    matrix[2, 2], matrix[3, 3] = 0.3, -0.6
    return matrix


@pytest.mark.parametrize("case", CASES)
def test_torch_stays_at_the_fixed_point_and_has_its_jacobian(case):
    """torch's own module, one step without input, and jacrev of it."""
    module = make_module(case, seed=3)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "weight" in name:
                parameter.mul_(0.3)  # contracting: it settles somewhere off the origin
    cell = cells_of(module)[0][0]
    fixed = find_fixed_point(cell, cell.project(np.zeros(4)), np.zeros(cell.state_size)).state
    width = module.proj_size or module.hidden_size

    def step(state):
        h, c = state[None, None, :width], state[None, None, width:]
        x = torch.zeros(1, 1, 4, dtype=torch.float64)
        if isinstance(module, torch.nn.LSTM):
            return torch.cat([part[0, 0] for part in module(x, (h, c))[1]])
        return module(x, h)[1][0, 0]

    state = torch.from_numpy(fixed)
    assert fixed.any()
    np.testing.assert_allclose(step(state).detach(), fixed, atol=1e-12)
    expected = np.linalg.eigvals(torch.func.jacrev(step)(state).detach().numpy())
    jacobian = measure_settling(cell).jacobian
    assert jacobian.at == "fixed-point"
    assert jacobian.spectral_radius == pytest.approx(np.abs(expected).max(), rel=1e-9)
    norm = np.linalg.norm(torch.func.jacrev(step)(state).detach().numpy(), 2)
    assert jacobian.spectral_norm == pytest.approx(norm, rel=1e-9)


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("scale", [0.0, 1e-200, 1e38, 1e200])
@pytest.mark.parametrize("bias", [0.0, 1000.0, -1000.0])
def test_extreme_weights_give_numbers_and_no_warning(kind, scale, bias):
    rows = 2 * {"rnn": 1, "gru": 3, "lstm": 4}[kind]
    matrix = scale * np.random.default_rng(0).standard_normal((rows, 2))
    cell = CELLS[kind](
        LayerWeights(np.ones((rows, 1)), matrix, np.full(rows, bias), np.zeros(rows))
    )
    jacobian = measure_settling(cell).jacobian
    assert np.isfinite(jacobian.eigenvalues).all()
    assert jacobian.at == "none" or jacobian.eigenvalues.size == cell.state_size


def test_a_state_that_is_too_wide_is_not_computed():
    rows = 4 * LARGEST_STATE  # projected to one number, so that the weights are small
    zeros = np.zeros(rows)
    weights = LayerWeights(
        np.ones((rows, 1)), np.zeros((rows, 1)), zeros, zeros, np.ones((1, LARGEST_STATE))
    )
    jacobian = measure_settling(CELLS["lstm"](weights)).jacobian
    assert (jacobian.at, jacobian.stable, jacobian.spectral_radius) == ("none", None, None)


def test_conjugates_are_neighbours():
    values = sorted_eigenvalues(turning_blocks())
    assert values[:3] == pytest.approx([-0.6, 0.5 * np.exp(0.4j), 0.5 * np.exp(-0.4j)], rel=EXACT)


def test_modes_are_the_leading_eigenvalues_with_pairs_once():
    modes = measure_settling(rnn(turning_blocks(), activation="relu")).jacobian.modes
    assert [mode.eigenvalue for mode in modes] == pytest.approx(
        [-0.6, 0.5 * np.exp(0.4j), 0.3], rel=EXACT
    )
    assert [mode.period for mode in modes] == [
        pytest.approx(2.0, rel=EXACT),
        pytest.approx(2 * math.pi / 0.4, rel=EXACT),
        None,
    ]
    taus = [mode.time_constant for mode in modes]
    assert taus == pytest.approx([-1 / math.log(size) for size in (0.6, 0.5, 0.3)], rel=EXACT)


@pytest.mark.parametrize(("order", "value"), [(2, 0.9), (3, 0.9), (2, 1.0)])
def test_an_eigenvalue_that_rounding_splits_does_not_turn(order, value):
    """A Jordan block in other axes: all λ are real, and come out with angles of 1e-8 to 1e-5."""
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((order, order)))[0]
    jordan = value * np.eye(order) + 0.3 * np.eye(order, k=1)
    settling = measure_settling(rnn(turn @ jordan @ turn.T))
    assert all(mode.period is None for mode in settling.jacobian.modes)
    assert "turning" not in " ".join(read_settling(settling))


def large(kind, size=40, gain=0.3, bias=0.5):
    rows = size * {"rnn": 1, "gru": 3, "lstm": 4}[kind]
    rng = np.random.default_rng(8)
    weight_hh = gain * rng.standard_normal((rows, size)) / math.sqrt(size)
    zeros = np.zeros(rows)
    weights = LayerWeights(np.ones((rows, 1)), weight_hh, bias * rng.standard_normal(rows), zeros)
    return CELLS[kind](weights)


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
def test_a_wide_state_is_measured_by_products_alone(monkeypatch, kind):
    """The same network as a wide one, against torch's dense way of the same numbers."""
    cell = large(kind)
    dense = measure_settling(cell).jacobian
    monkeypatch.setattr(fixed_point, "LARGEST_DENSE", 10)
    found = measure_settling(cell).jacobian
    assert (dense.leading.method, found.leading.method) == ("qr", "arnoldi")
    assert (found.at, found.stable) == ("fixed-point", True)
    assert found.largest_state == pytest.approx(dense.largest_state, rel=1e-9)
    # Residuals of 1e-8 times condition numbers of some tens.
    assert found.eigenvalues[:5] == pytest.approx(dense.eigenvalues[:5], rel=1e-6)
    assert found.spectral_norm == pytest.approx(dense.spectral_norm, rel=1e-9)
    assert (dense.norm_method, found.norm_method) == ("svd", "lanczos")


def test_newtons_steps_by_gmres_finish_a_slow_contraction(monkeypatch):
    """200 steps of h′ = 0.9995 h + 1e-3, and of three dozen faster units, leave 90 % of the way."""
    monkeypatch.setattr(fixed_point, "LARGEST_DENSE", 10)
    sizes = np.linspace(0.9995, 0.1, 40)
    settling = measure_settling(rnn(np.diag(sizes), 1e-3, "relu"))
    assert settling.jacobian.stable
    assert settling.jacobian.largest_state == pytest.approx(1e-3 / (1 - 0.9995), rel=1e-6)
    assert settling.jacobian.spectral_radius == pytest.approx(0.9995, rel=1e-7)


@pytest.mark.parametrize("matrix", [np.roll(np.eye(5), 1, axis=0), np.eye(3), -np.eye(2)])
def test_a_radius_of_one_is_neither_stable_nor_unstable(matrix):
    """Eigenvalues on the unit circle: in float64 some come out at 1 ± 2e-16, and mean 1."""
    jacobian = measure_settling(rnn(matrix)).jacobian
    assert (jacobian.at, jacobian.stable, jacobian.time_constant) == ("fixed-point", None, None)


CYCLING = [
    [-0.95, 0.84, 0.86, -1.45],
    [0.15, 0.39, -0.07, 0.43],
    [1.31, 0.83, 1.22, -0.01],
    [-0.34, 0.72, -0.55, -1.42],
]


def test_a_stable_point_that_only_newton_finds_is_not_called_settled():
    """torch's own module alternates from zero for ever; a push from the point found dies out."""
    bias = [-0.96, -0.31, 1.03, 2.01]
    module = torch.nn.RNN(1, 4).double()
    with torch.no_grad():
        module.weight_hh_l0.copy_(torch.tensor(CYCLING))
        module.bias_hh_l0.copy_(torch.tensor(bias))
        module.bias_ih_l0.zero_()
        states = module(torch.zeros(5000, 1, dtype=torch.float64))[0][-2:]
    assert (states[1] - states[0]).abs().max() > 0.5
    settling = measure_settling(rnn(CYCLING, bias))
    assert (settling.jacobian.stable, settling.jacobian.settled) == (True, False)
    words = " ".join(read_settling(settling))
    assert "does not settle within hundreds of steps" in words
    assert "the state settles" not in words


def test_where_newton_leaps_to_after_the_push_is_no_place_to_settle():
    """torch's own module, pushed off zero, still moves after 5,000 steps."""
    torch.manual_seed(179)
    module = torch.nn.LSTM(2, 8, bias=False, proj_size=4).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(8.11)
        push = 1e-3 * torch.ones(1, 4, dtype=torch.float64), torch.zeros(1, 8, dtype=torch.float64)
        states = module(torch.zeros(5000, 2, dtype=torch.float64), push)[0][-2:]
    assert (states[1] - states[0]).abs().max() > 1e-3
    settling = measure_settling(cells_of(module)[0][0])
    assert (settling.jacobian.stable, settling.after_push) == (False, None)
