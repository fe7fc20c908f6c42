"""The frame: numbers lie where they should, ticks are round and within it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnndiag.render.html.axes import Frame, ticks


def test_corners():
    frame = Frame(200.0, 100.0, left=-1.0, right=3.0, bottom=-10.0, top=0.0)
    assert (frame.at(-1, 0), frame.at(3, -10), frame.at(1, -5)) == ("0,0", "200,100", "100,50")


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2, 9))
def test_ticks_are_inside_evenly_spaced_and_few(low, width, most):
    found = ticks(low, low + width, most)
    assert len(found) <= most + 1
    slack = 1e-6 * (abs(low) + width)
    assert all(low - slack <= value <= low + width + slack for value in found)
    steps = [b - a for a, b in itertools.pairwise(found)]
    assert steps == pytest.approx(steps[:1] * len(steps), rel=1e-6, abs=slack)
