"""One word for a curve: every branch and every threshold, judged as shown."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from rnndiag.measure.decay import Decay, measure_decay
from rnndiag.measure.verdict import drive_verdict, lag_of_growth, layer_verdict


def decay_with(growth=0.0, lower=None, left=0.0):
    interval = None if lower is None else (lower, lower + 1.0)
    return Decay(0.0, interval, None, (None, None, None), None, growth, 0, left)


@pytest.mark.parametrize(
    ("growth", "lower", "last", "overflow", "expected"),
    [
        (3.0, 0.01, 3.0, None, "exploding"),
        (2.9999999, 0.01, 2.9, None, "exploding"),  # is shown as 3
        (2.99999, 0.01, 2.9, None, "growing"),
        (9.0, 0.0, 9.0, None, "exploding"),  # whatever the rate and the last lag
        (9.0, -0.1, -5.0, None, "exploding"),
        (9.0, None, 9.0, None, "exploding"),
        (2.9, 0.0, 2.9, None, "stable"),  # an interval that holds 0 proves no growth
        (0.5, 1e-9, 0.5, None, "growing"),
        (0.0, -0.5, -3.0, None, "stable"),
        (0.0, -0.5, -3.0000001, None, "stable"),  # is shown as -3
        (0.0, -0.5, -3.00001, None, "vanishing"),
        (0.0, None, -math.inf, None, "vanishing"),
        (0.0, -0.5, -math.inf, 17, "exploding"),
        (-math.inf, None, -math.inf, 1, "exploding"),
    ],
)
def test_every_branch(growth, lower, last, overflow, expected):
    assert drive_verdict(decay_with(growth, lower, last), overflow) == expected


@pytest.mark.parametrize(("growth", "expected"), [(3.0, "exploding"), (2.9, "stable")])
def test_a_curve_that_is_too_short_for_a_rate_is_judged_by_its_growth(growth, expected):
    curve = math.log(10.0) * growth / 5.0 * np.arange(6)
    assert drive_verdict(measure_decay(curve), None) == expected


@pytest.mark.parametrize("overflow", [1, 200])
def test_an_overflow_never_ends_as_vanishing(overflow):
    for curve in (np.full(4, -math.inf), -5.0 * np.arange(50), np.array([0.0])):
        assert drive_verdict(measure_decay(curve), overflow) == "exploding"


@pytest.mark.parametrize(("factor", "expected"), [(1.2, "exploding"), (1.1, "vanishing")])
def test_a_growth_that_ends_in_zero(factor, expected):
    """A delay line of 60 stages: 4.7 or 2.4 decades up, then nothing at the last 140 lags."""
    curve = np.full(201, -math.inf)
    curve[:60] = math.log(factor) * np.arange(60)
    assert drive_verdict(measure_decay(curve), None) == expected


@pytest.mark.parametrize(
    ("carried", "expected"), [(-2.9, "stable"), (-3.1, "vanishing"), (None, "vanishing")]
)
def test_a_memory_cell_may_carry_what_h_has_lost(carried, expected):
    assert drive_verdict(decay_with(left=-9.0), None, carried) == expected


def test_the_lag_at_which_a_thousand_is_reached_counts_from_the_first_lag():
    curve = math.log10(1.1) * np.arange(201) - 7.0
    # 1.1^72 is 955, 1.1^73 is 1,051.
    assert lag_of_growth(curve) == 73
    assert lag_of_growth(curve, 1.0) == 25
    assert lag_of_growth(np.zeros(9)) is None


VERDICTS = ("exploding", "growing", "stable", "vanishing")


@pytest.mark.parametrize("pair", list(product(VERDICTS, repeat=2)))
def test_a_layer_has_the_verdict_that_all_drives_share(pair):
    differ = "unsure" if "exploding" in pair else "mixed"
    assert layer_verdict(pair) == (pair[0] if pair[0] == pair[1] else differ)
    assert layer_verdict(pair) == layer_verdict(pair[::-1])


def test_one_drive_decides_alone():
    assert [layer_verdict([verdict]) for verdict in VERDICTS] == list(VERDICTS)


def test_what_the_length_does_not_bear_out_is_unsure_and_nothing_else_is():
    found = [layer_verdict([verdict], borne_out=False) for verdict in VERDICTS]
    assert found == ["unsure", *VERDICTS[1:]]
