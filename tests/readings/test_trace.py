"""The sentences under a trace: exact zeros and steep decays."""

from __future__ import annotations

import numpy as np
import pytest

from rnndiag.cells import CELLS, LayerWeights
from rnndiag.drives import given_drive
from rnndiag.measure.trace import TraceSetup, trace_module
from rnndiag.readings.trace import read_trace


def said(weight_hh, activation="tanh"):
    size = len(weight_hh)
    inputs, zeros = np.zeros((size, 1)), np.zeros(size)
    weights = LayerWeights(inputs, np.array(weight_hh, float), zeros, zeros, None, activation)
    drive = given_drive(np.zeros((30, 1, 1)), "nothing")
    setup = TraceSetup(30, 1, 0, initial=[[np.full((1, size), 0.1)]], exponents=1)
    ((trace,),) = trace_module([[CELLS["rnn"](weights)]], [drive], setup)
    return " ".join(read_trace(trace))


@pytest.mark.parametrize(("order", "when"), [(1, "1 step back"), (3, "3 steps back")])
def test_an_exact_zero_is_not_halved(order, when):
    """W^order = 0: nothing is left after so many steps."""
    shown = said(np.diag(np.ones(order - 1), 1))
    assert f"nothing is left of the gradient {when}: it is exactly zero" in shown
    assert "Every perturbation of the state is lost" in shown
    assert "halves" not in shown


def test_a_half_life_below_one_step_is_said_by_the_step():
    assert "each step back leaves 0.01 of the gradient" in said([[0.01]], "relu")
    assert "the gradient halves every 1 steps" not in said([[0.01]], "relu")
