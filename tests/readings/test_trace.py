"""The sentences under a trace: exact zeros, steep decays, mixed verdicts, the lags that count."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from render.reports import fixture_file

from rnndiag.cells import CELLS, LayerWeights
from rnndiag.drives import given_drive
from rnndiag.measure.trace import TraceSetup, trace_module
from rnndiag.readings.trace import read_trace


def said(weight_hh, activation="tanh", steps=30):
    size = len(weight_hh)
    inputs, zeros = np.zeros((size, 1)), np.zeros(size)
    weights = LayerWeights(inputs, np.array(weight_hh, float), zeros, zeros, None, activation)
    drive = given_drive(np.zeros((steps, 1, 1)), "nothing")
    setup = TraceSetup(steps, 1, 0, initial=[[np.full((1, size), 0.1)]], exponents=1)
    ((trace,),) = trace_module([[CELLS["rnn"](weights)]], [drive], setup)
    return " ".join(read_trace(trace))


@pytest.mark.parametrize(("order", "when"), [(1, "1 step back"), (3, "3 steps back")])
def test_an_exact_zero_is_not_halved(order, when):
    """W^order = 0: nothing is left after so many steps."""
    shown = said(np.diag(np.ones(order - 1), 1))
    assert f"nothing is left of the gradient {when}: it is exactly zero" in shown
    assert "Every perturbation of the state is lost" in shown
    assert "halves" not in shown


def test_an_underflow_is_not_sold_as_a_zero():
    """tanh′(1000) = 4e^-2000 is 10^-868, which float64 has no number for."""
    shown = said([[1e4]])  # h = 0.1, then 1: a = 1000 and 10,000
    assert "it is exactly zero, or goes through slopes below 1e-308" in shown


def test_a_half_life_below_one_step_is_said_by_the_step():
    assert "each step back leaves 0.01 of the gradient" in said([[0.01]], "relu")
    assert "the gradient halves every 1 steps" not in said([[0.01]], "relu")


def test_a_fast_start_is_not_told_by_the_half_life():
    (drive, *_), made = trace().deciding, trace()
    decay = replace(drive.decay, half_life=20.0, horizons=(1, 2, 6))
    shown = read_trace(replace(made, drives=(replace(drive, decay=decay),)))[1]
    assert shown.endswith(
        "the gradient falls below a thousandth after 6 steps already; over the whole window it "
        "halves every 20 steps."
    )
    steady = replace(drive.decay, half_life=0.7, horizons=(1, 4, 6))
    assert "already" not in read_trace(replace(made, drives=(replace(drive, decay=steady),)))[1]


def trace():
    return fixture_file("exploding_rnn.pt").result.layers[0].trace


def test_a_mixed_verdict_says_which_input_has_which():
    zero, weak, normal, _ = trace().drives
    drives = (
        replace(zero, verdict="stable", deciding=True),
        replace(weak, verdict="vanishing", deciding=True),
        replace(normal, verdict="vanishing", deciding=True),
        replace(normal, drive="onehot", verdict="exploding", deciding=False),
    )
    first = read_trace(replace(trace(), drives=drives))[0]
    assert first == (
        "Mixed: the verdict depends on the input: stable under zero, vanishing under weak and "
        "normal."
    )


def test_a_few_steps_are_no_long_run():
    assert "nats a step in the long run" in said([[0.5]])
    assert "nats a step over these 3 steps (" in said([[0.5]], steps=3)
    assert "after 1 step; with" in said([[0.5]], steps=1)


def test_a_rise_that_no_verdict_tells_is_told():
    """Jᵀ takes the first axis to (½, 100), and all of it decays by ½ a step in the end."""
    words = said([[0.5, 100.0], [0.0, 0.5]], "relu")
    assert "Vanishing" in words
    assert "At most it is " in words
    assert "step back, given input)" in words or "steps back, given input)" in words
    assert "At most it is" not in said([[0.5, 0.0], [0.0, 0.5]], "relu")


def test_an_overflow_is_no_growth_of_the_gradient():
    drive = trace().deciding[0]
    decay = replace(drive.decay, growth_log10=5.0)
    overflowing = replace(drive, verdict="exploding", decay=decay, overflow_step=3)
    first = read_trace(replace(trace(), drives=(overflowing,)))[0]
    assert first.endswith("a thousandfold or more, or the forward pass overflows.")
    growing = replace(overflowing, overflow_step=None)
    first = read_trace(replace(trace(), drives=(growing,)))[0]
    assert first.endswith("grows a thousandfold or more.")


def test_the_lags_that_make_up_the_gradient():
    (drive, *_) = trace().drives
    for share, words in (
        ([0.5, 0.95, 1.0], "90 % comes from the last 2 steps, 99 % from the last 3 steps."),
        ([0.5, 0.5, 1.0], "99 % comes from the last 3 steps."),
        ([0.95, 1.0], "90 % comes from the last 1 step, 99 % from the last 2 steps."),
    ):
        only = replace(drive, deciding=True, parameter_gradient_share=np.array(share))
        whole = " ".join(read_trace(replace(trace(), drives=(only,))))
        assert f"Of the gradient of W_hh, {words}" in whole
