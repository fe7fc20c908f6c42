"""A mode's time constant and period, in closed form."""

from __future__ import annotations

import cmath
import math

import pytest

from rnndiag.measure.modes import Mode


@pytest.mark.parametrize("steps", [2, 3, 17, 500])
@pytest.mark.parametrize("size", [0.95, 1.0, 1.05])
def test_a_turn_that_is_seen_has_its_period(size, steps):
    """Of 0.95 at 500 steps e^-25 is left after one turn."""
    mode = Mode(size * cmath.exp(2j * math.pi / steps))
    assert mode.period == pytest.approx(steps, rel=1e-12)


@pytest.mark.parametrize(
    "value",
    [0.9, 0.9 + 8e-9j, 0.9 + 1.5e-6j, 0.5 + 1e-2j, 1.0 + 1e-8j, 0.0, -0.0, complex(-0.0, -0.0)],
)
def test_what_is_gone_or_rounded_before_it_turns_has_none(value):
    """0.5 + 0.01i turns once in 314 steps, after which 2^-314 of it is left."""
    assert Mode(value).period is None


@pytest.mark.parametrize(("value", "steps"), [(0.5, 1 / math.log(2)), (-0.5, 1 / math.log(2))])
def test_a_time_constant_leaves_one_part_in_e(value, steps):
    assert Mode(value).time_constant == pytest.approx(steps, rel=1e-12)


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0, 1.1, 1.0 - 1e-9])
def test_what_does_not_decay_as_shown_has_no_time_constant(value):
    assert Mode(value).time_constant is None
