"""What a setting in use costs, against the scalar laws."""

from __future__ import annotations

import numpy as np
import pytest

from rnndiag.advice.present import judge_present
from rnndiag.measure.truncation import TruncationCurves
from rnndiag.recognise.settings import Setting

BETA = 0.9


def judged(steps, lags=300, beyond=False):
    sizes = BETA ** np.arange(float(lags))
    curves = TruncationCurves(np.multiply.outer(sizes, sizes))
    return judge_present(Setting("hyper.bptt", steps), curves, beyond)


def chunk_law(steps):
    return BETA * (1 - BETA**steps) / (steps * (1 - BETA))


@pytest.mark.parametrize("steps", [1, 20, 100])
def test_it_is_judged_both_ways(steps):
    present = judged(steps)
    assert (present.source, present.steps, present.lower_bound) == ("hyper.bptt", steps, False)
    assert present.sliding_bias == pytest.approx(BETA**steps, rel=1e-9)
    assert present.chunk_bias == pytest.approx(chunk_law(steps), rel=1e-9)
    assert present.sliding_cosine == pytest.approx(1.0, rel=1e-12)
    assert present.chunk_cosine == pytest.approx(1.0, rel=1e-12)


def test_beyond_a_window_in_which_gradients_end():
    present = judged(400)
    assert present.lower_bound
    assert present.sliding_bias == 0.0
    assert present.chunk_bias == pytest.approx(chunk_law(400), rel=1e-9)


def test_a_window_that_is_too_short_gives_a_lower_bound_or_nothing():
    within = judged(20, lags=30, beyond=True)
    assert within.lower_bound
    assert within.sliding_bias < BETA**20
    at_the_end = judged(30, lags=30, beyond=True)
    assert at_the_end.lower_bound
    assert at_the_end.sliding_bias is at_the_end.chunk_bias is None


def test_without_a_gradient_nothing_is_judged():
    curves = TruncationCurves(np.zeros((5, 5)))
    assert judge_present(Setting("given", 3), curves, beyond=False).sliding_bias is None
