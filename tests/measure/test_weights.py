"""Weight health and gate time constants, of layers recognised in a state dict."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import torch
from torch import nn

from rnndiag.containers import read
from rnndiag.measure.weights import measure_weights, time_constants
from rnndiag.recognise import recognise


@pytest.fixture
def health(tmp_path):
    """Of the first layer of a module, through a file."""

    def measure(module):
        torch.save(module.state_dict(), tmp_path / "model.pt")
        (recognised,) = recognise(read(str(tmp_path / "model.pt"))).modules
        return measure_weights(recognised.flat[0])

    return measure


@pytest.mark.parametrize("b", [-1000.0, -30.0, -1.0, 0.0, 2.0, 5.0, math.log(783), 30.0, 700.0])
def test_time_constants_equal_mpmath(b):
    """τ = −1/ln σ(b); 600 digits, for 1 − σ(700) is 1e-304."""
    with mpmath.workdps(600):
        exact = float(-1 / mpmath.log(1 / (1 + mpmath.exp(-mpmath.mpf(b)))))
    assert time_constants(np.array([b]))[0] == pytest.approx(exact, rel=1e-13)


def test_a_gate_that_never_closes_has_an_infinite_time_constant():
    assert time_constants(np.array([1000.0]))[0] == math.inf


@pytest.mark.parametrize(("kind", "gate", "gates"), [(nn.LSTM, "forget", 4), (nn.GRU, "update", 3)])
def test_gate_time_constants_sum_both_biases_of_the_keeping_gate(kind, gate, gates, health):
    module = kind(2, 3).double()
    with torch.no_grad():
        # Every other gate gets another value: only the second block counts.
        module.bias_ih_l0.copy_(torch.arange(3.0 * gates))
        module.bias_hh_l0.copy_(torch.linspace(-9, -8, 3 * gates))
        total = (module.bias_ih_l0 + module.bias_hh_l0)[3:6]
        expected = -1 / torch.log(torch.sigmoid(total))
    (found,) = health(module).gate_time_constants
    assert found.gate == gate
    assert found.median == pytest.approx(expected.median().item(), rel=1e-12)
    assert found.shortest == pytest.approx(expected.min().item(), rel=1e-12)
    assert found.longest == pytest.approx(expected.max().item(), rel=1e-12)


def test_a_plain_rnn_has_no_gate(health):
    assert health(nn.RNN(2, 3)).gate_time_constants == ()


def test_without_biases_the_gate_is_half_open(health):
    (found,) = health(nn.LSTM(2, 3, bias=False)).gate_time_constants
    assert found.median == pytest.approx(1 / math.log(2), rel=1e-12)


def test_non_finite_values_are_counted_in_all_tensors(health):
    module = nn.LSTM(2, 8, proj_size=3)
    with torch.no_grad():
        module.weight_ih_l0[0, 0] = math.nan
        module.weight_hh_l0[1, 1:] = math.inf
        module.bias_ih_l0[2] = -math.inf
        module.bias_hh_l0[20] = math.nan
        module.weight_hr_l0[0, 5] = math.nan
    found = health(module)
    assert found.non_finite == 1 + 2 + 1 + 1 + 1
    assert all(found.moved_from_init.values())
    # The forget gate's biases, entries 8 … 15, are finite.
    assert len(found.gate_time_constants) == 1


def test_zero_rows_are_those_of_the_recurrent_weights(health):
    module = nn.GRU(2, 5)
    with torch.no_grad():
        module.weight_hh_l0[[0, 7, 14]] = 0
        module.weight_ih_l0[3] = 0
        module.weight_hh_l0[2, :4] = 0
    assert health(module).zero_rows == 3


NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("hidden", [1, 7, 100, 128])
def test_torchs_initialisation_lies_in_its_box(dtype, hidden, health):
    """Also its corner, in any dtype: bfloat16 rounds it up by as much as 0.2 %."""
    module = nn.GRU(3, hidden)
    edge = 1 / math.sqrt(hidden)
    with torch.no_grad():
        module.weight_hh_l0[0, 0], module.weight_ih_l0[0, 0] = edge, -edge
        module.bias_hh_l0[0] = edge
    assert health(module.to(dtype)).moved_from_init == dict.fromkeys(NAMES, False)


@pytest.mark.parametrize("name", NAMES)
def test_one_value_outside_has_moved(name, health):
    module = nn.LSTM(3, 16)
    with torch.no_grad():
        getattr(module, f"{name}_l0").view(-1)[5] = -0.2501
    assert health(module).moved_from_init == {key: key == name for key in NAMES}
