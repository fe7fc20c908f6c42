"""One word for a curve: every branch and every threshold, judged as shown."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from rnndiag.measure.decay import Decay, measure_decay
from rnndiag.measure.verdict import drive_verdict, layer_verdict


def decay_with(growth=0.0, lower=None):
    interval = None if lower is None else (lower, lower + 1.0)
    return Decay(0.0, interval, None, (None, None, None), None, growth, 0)


@pytest.mark.parametrize(
    ("growth", "lower", "last", "overflow", "expected"),
    [
        (3.0, 0.01, 3.0, None, "exploding"),
        (2.9999999, 0.01, 2.9, None, "exploding"),  # is shown as 3
        (2.99999, 0.01, 2.9, None, "growing"),
        (9.0, 0.0, 9.0, None, "stable"),  # an interval that holds 0 proves no growth
        (9.0, -0.1, 9.0, None, "stable"),
        (9.0, None, 9.0, None, "stable"),
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
    assert drive_verdict(decay_with(growth, lower), last, overflow) == expected


@pytest.mark.parametrize(("growth", "expected"), [(3.0, "exploding"), (2.9, "stable")])
def test_a_curve_that_is_too_short_for_a_rate_is_judged_by_its_growth(growth, expected):
    curve = math.log(10.0) * growth / 5.0 * np.arange(6)
    assert drive_verdict(measure_decay(curve, rated=False), growth, None) == expected


@pytest.mark.parametrize("overflow", [1, 200])
def test_an_overflow_never_ends_as_vanishing(overflow):
    for curve in (np.full(4, -math.inf), -5.0 * np.arange(50), np.array([0.0])):
        assert drive_verdict(measure_decay(curve), curve[-1], overflow) == "exploding"


def test_a_growth_that_ends_in_zero_vanishes():
    """A delay line of 60 stages at 1.2: four decades up, then nothing at the last 140 lags."""
    curve = np.full(201, -math.inf)
    curve[:60] = math.log(1.2) * np.arange(60)
    assert drive_verdict(measure_decay(curve), -math.inf, None) == "vanishing"


VERDICTS = ("exploding", "growing", "stable", "vanishing")


@pytest.mark.parametrize("pair", list(product(VERDICTS, repeat=2)))
def test_a_layer_has_the_verdict_that_all_drives_share(pair):
    assert layer_verdict(pair) == (pair[0] if pair[0] == pair[1] else "mixed")
    assert layer_verdict(pair) == layer_verdict(pair[::-1])


def test_one_drive_decides_alone():
    assert [layer_verdict([verdict]) for verdict in VERDICTS] == list(VERDICTS)
