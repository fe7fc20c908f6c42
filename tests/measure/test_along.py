"""Growth along trajectories: closed forms, torch's own Jacobians, and what stays the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from measure.from_torch import cells_of
from measure.plain_rnn import rnn
from torch_oracle import make_module

from rnndiag.cells import CELLS, LayerWeights
from rnndiag.measure import along
from rnndiag.measure.along import measure_rates
from rnndiag.measure.fixed_point import LARGEST_STATE
from rnndiag.rollout import INITIAL_DEVIATION

NAMES = ("weight_hh", "bias_ih", "bias_hh")


def rates(cell):
    (((zero, normal),),) = measure_rates([[cell]])
    assert (zero.drive, normal.drive) == ("zero", "normal")
    return zero, normal


def test_a_line_of_relus_has_its_slope_as_rate():
    """h' = 0.9 h + 1, always active: ln 0.9 at every step, with no spread."""
    zero, normal = rates(rnn(0.9, bias=1.0, activation="relu", weight_ih=0.0))
    for rate in (zero, normal):
        assert rate.rate == pytest.approx(math.log(0.9), rel=1e-12)
        assert (rate.steps, rate.margin) == (300, pytest.approx(0.0, abs=1e-12))


def test_tanh_leaves_its_unstable_origin_for_a_stable_point():
    """w = 1.5: ln 0.394 at the point, although ln 1.5 is positive; the first 10 % are left out."""
    zero, _ = rates(rnn(1.5, weight_ih=0.0))
    assert zero.rate == pytest.approx(math.log(0.394313025498602), rel=1e-3)


def test_noise_makes_a_growing_network_contract():
    """Undriven, a random tanh network is chaotic; under strong noise it is not."""
    matrix = np.random.default_rng(0).standard_normal((100, 100)) * 0.15
    zero, normal = rates(rnn(matrix, weight_ih=2.0))
    assert zero.rate > 2 * zero.margin > 0
    assert normal.rate < -2 * normal.margin < 0


@pytest.mark.parametrize("case", ["rnn-tanh", "gru", "lstm", "lstm-projected"])
def test_under_noise_it_equals_the_product_of_torchs_jacobians(case, monkeypatch):
    """ln of the growth of one tangent by jacrev, along the very same states."""
    monkeypatch.setattr(along, "STEPS", 60)  # jacrev takes milliseconds a step
    module = make_module(case, seed=1)
    cell = cells_of(module)[0][0]
    (((_, normal),),) = measure_rates([[cell]])
    generator = np.random.default_rng(0)
    start = INITIAL_DEVIATION * generator.standard_normal((along.BATCH, cell.state_size))
    width = cell.weights.weight_ih.shape[1]
    noise = generator.standard_normal((along.STEPS, along.BATCH, width))
    # The same first tangents as measure_lyapunov's: others still differ by 1e-3 after 300 steps.
    tangents = np.random.default_rng([0, 3]).standard_normal((along.BATCH, cell.state_size))
    slopes = [
        _tangent_growth(module, cell, noise[:, b], start[b], tangents[b])
        for b in range(along.BATCH)
    ]
    assert normal.rate == pytest.approx(np.mean(slopes), rel=1e-9)


def _tangent_growth(module, cell, inputs, state, tangent):
    width = cell.output_size
    state, tangent = torch.from_numpy(state), torch.from_numpy(tangent)
    logs = []
    for x in torch.from_numpy(inputs):

        def step(s, x=x):
            h, c = s[None, None, :width], s[None, None, width:]
            if isinstance(module, torch.nn.LSTM):
                return torch.cat([part[0, 0] for part in module(x[None, None], (h, c))[1]])
            return module(x[None, None], h)[1][0, 0]

        tangent = torch.func.jacrev(step)(state).detach() @ tangent
        size = tangent.norm()
        logs.append(float(torch.log(size)))
        tangent, state = tangent / size, step(state).detach()
    return np.mean(logs[len(logs) // 10 :])


def test_a_stack_is_driven_from_below():
    """The layer above a silent one has no input even under noise."""
    silent, above = rnn(0.0, weight_ih=0.0), rnn(0.9)
    for (layer,) in measure_rates([[silent], [above]])[1:]:
        zero, normal = layer
        assert zero.rate == pytest.approx(normal.rate, rel=1e-9)


def test_an_overflow_has_no_rate_and_says_so():
    _, normal = rates(rnn(1e200, weight_ih=1e200, bias=1e200, activation="relu"))
    assert (normal.steps <= 1, normal.margin) == (True, 0.0)
    zero, _ = rates(rnn(1.7e308, bias=1.79e308, activation="relu", weight_ih=0.0))
    assert (zero.steps, zero.rate) == (0, None)


def test_a_lost_direction_is_minus_infinity():
    assert rates(rnn(0.0, weight_ih=0.0))[0].rate == -math.inf


def test_units_in_another_order_have_the_same_rates():
    rng = np.random.default_rng(3)
    matrix = rng.standard_normal((6, 6)) * 0.3
    order = rng.permutation(6)
    one, other = rnn(matrix), rnn(matrix[np.ix_(order, order)])
    # The random initial states are not permuted with them: forgotten within the transient.
    assert rates(other)[1].rate == pytest.approx(rates(one)[1].rate, rel=1e-3)


def test_wide_states_are_followed_for_fewer_steps_or_not_at_all():
    def projected(hidden):
        rows = 4 * hidden
        zeros = np.zeros(rows)
        ones = np.ones((rows, 1))
        return CELLS["lstm"](LayerWeights(ones, 0 * ones, zeros, zeros, np.ones((1, hidden))))

    zero, _ = rates(projected(along.WIDE))
    assert (zero.steps, zero.rate) == (along.STEPS_WIDE, pytest.approx(math.log(0.5), rel=1e-3))
    assert measure_rates([[projected(LARGEST_STATE)]]) == [[()]]


def test_a_layer_above_an_overflow_has_no_rate():
    """A bidirectional stack whose lower layer overflows leaves the upper one no step."""
    below, above = rnn(1e9, 1.0, "relu"), rnn(0.5, 1.0, "relu")
    wide = LayerWeights(np.ones((1, 2)), *(getattr(above.weights, n) for n in NAMES), None, "relu")
    upper = CELLS["rnn"](wide)
    lower_rates, upper_rates = measure_rates([[below, below], [upper, upper]])
    assert all(rate.rate > 0.0 for pair in lower_rates for rate in pair)
    for pair in upper_rates:
        assert [(rate.steps, rate.rate, rate.standard_error) for rate in pair] == 2 * [
            (0, None, None)
        ]
