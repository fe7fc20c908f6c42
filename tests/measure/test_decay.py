"""What one curve says, against closed forms and hand-made curves."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from rnndiag.measure.decay import FEWEST_LAGS, measure_decay

# A least-squares slope over some hundred values of order ten: a few units in the last place.
EXACT = 1e-13

NEVER = -math.inf


@pytest.mark.parametrize("factor", [0.3, 0.9, 0.999, 1.0, 1.001, 1.7])
@pytest.mark.parametrize("steps", [2, 3, 19, 20, 21, 200])
def test_an_exact_exponential(factor, steps):
    decay = measure_decay(math.log(factor) * np.arange(steps + 1))
    rate = math.log(factor)
    if steps < FEWEST_LAGS:
        assert (decay.rate_per_step, decay.rate_ci95, decay.half_life) == (None, None, None)
    else:
        assert decay.rate_per_step == pytest.approx(rate, rel=EXACT, abs=1e-18)
        # Every slope is the same: the interval is a point, but for the curve's own rounding.
        assert decay.rate_ci95 == pytest.approx((rate, rate), rel=1e-10, abs=1e-18)
    growing = factor > 1
    assert decay.growth_log10 == pytest.approx(max(0.0, steps * math.log10(factor)), rel=EXACT)
    assert decay.growth_lag == (steps if growing else 0)
    if factor < 1 and steps >= FEWEST_LAGS:
        assert decay.half_life == pytest.approx(math.log(2) / -rate, rel=EXACT)
    else:
        assert decay.half_life is None


@pytest.mark.parametrize("factor", [0.1, 0.5, 0.9, 0.98])
def test_horizons_are_the_last_lags_above(factor):
    steps = 250
    phi = [factor**k for k in range(steps + 1)]
    # 0.1^3 in floats is 1e-3 but for its last bit: that lag counts as above.
    expected = [
        max(k for k in range(steps + 1) if phi[k] >= 10.0**-n * 0.999999) for n in (1, 2, 3)
    ]
    decay = measure_decay(np.log(phi))
    assert list(decay.horizons) == [None if k == steps else k for k in expected]


def test_a_horizon_within_the_last_lag_is_longer_than_tested():
    # φ at the last lag is 0.05: below 1e-1, above 1e-2 and 1e-3 at every lag.
    decay = measure_decay(np.linspace(0, math.log(0.05), 11))
    # log10 φ_k = -0.130103 k: the seventh is -0.91, the eighth -1.04.
    assert decay.horizons == (7, None, None)


def test_a_curve_that_returns_counts_its_last_crossing():
    phi = np.array([1.0, 1e-4, 0.5, 1e-4, 1e-4])
    assert measure_decay(np.log(phi)).horizons == (2, 2, 2)


def test_horizons_do_not_count_what_the_readout_takes():
    """A curve is as long whatever its first lag is: the larger of lags 0 and 1 is the whole."""
    curve = np.concatenate([[1.0], 1e-9 * 0.5 ** np.arange(30)])
    low = measure_decay(np.log(curve))
    high = measure_decay(np.log(np.concatenate([[1e-12], curve[1:]])))
    assert low.horizons == (0, 0, 0)
    # From 1e-9 on: 2^-3 is above a tenth, 2^-6 above a hundredth, 2^-9 above a thousandth.
    assert high.horizons == (4, 7, 10)


def test_a_gradient_that_is_nowhere_has_horizon_minus_one():
    assert measure_decay(np.full(4, NEVER)).horizons == (-1, -1, -1)


def test_resonance_of_two_layers():
    """(k + 1) · 0.9^k peaks at lags 8 and 9 with 3.87420489, and is fitted from there."""
    lags = np.arange(201)
    log_phi = np.log(lags + 1.0) + lags * math.log(0.9)
    decay = measure_decay(log_phi)
    assert 10**decay.growth_log10 == pytest.approx(3.87420489, rel=EXACT)
    assert decay.growth_lag in {8, 9}
    naive = np.polyfit(lags[decay.growth_lag :], log_phi[decay.growth_lag :], 1)[0]
    # polyfit solves a Vandermonde system by QR: some 1e-13 of it is its own.
    assert decay.rate_per_step == pytest.approx(naive, rel=1e-11)
    # The factor (k + 1) slows the decay: half a step more than that of 0.9 alone, at this length.
    assert decay.half_life > math.log(2) / -math.log(0.9)


def test_a_late_peak_is_rated_over_the_whole_window():
    """A curve that still grows at the end has no decaying part to fit."""
    log_phi = 0.05 * np.arange(101.0)
    log_phi[-1] = log_phi[-2] - 1.0
    decay = measure_decay(log_phi)
    assert decay.growth_lag == 99
    assert decay.rate_per_step == pytest.approx(
        np.polyfit(np.arange(101), log_phi, 1)[0], rel=1e-11
    )
    assert decay.rate_per_step > 0
    assert decay.half_life is None


def test_nothing_at_any_lag():
    decay = measure_decay(np.full(5, NEVER))
    assert (decay.rate_per_step, decay.rate_ci95, decay.half_life) == (NEVER, None, 0.0)
    assert decay.horizons == (-1, -1, -1)
    assert decay.growth_log10 == NEVER


def test_gone_after_the_seed():
    """An LSTM without recurrence: ∂L/∂h is the seed, then exact zero."""
    decay = measure_decay(np.array([0.0, NEVER, NEVER, NEVER]))
    assert (decay.rate_per_step, decay.half_life) == (NEVER, 0.0)
    assert decay.horizons == (0, 0, 0)
    assert decay.growth_log10 == 0.0


def test_a_nilpotent_tail_is_no_growth():
    """1.2^k for 19 lags and zero for 181 more: what follows the peak is a fall to nothing."""
    log_phi = np.full(201, NEVER)
    log_phi[:20] = math.log(1.2) * np.arange(20)
    decay = measure_decay(log_phi)
    assert decay.rate_per_step == NEVER
    assert decay.rate_ci95 is None
    assert decay.growth_log10 == pytest.approx(19 * math.log10(1.2), rel=EXACT)
    assert decay.growth_lag == 19
    assert decay.horizons == (19, 19, 19)


def test_a_decay_that_ends_in_zero_keeps_its_rate():
    log_phi = np.full(51, NEVER)
    log_phi[:30] = math.log(0.8) * np.arange(30)
    assert measure_decay(log_phi).rate_per_step == pytest.approx(math.log(0.8), rel=EXACT)


def test_a_lower_layer_that_is_reached_late_is_rated_where_it_is_reached():
    log_phi = np.concatenate([[NEVER, NEVER], math.log(0.7) * np.arange(60)])
    decay = measure_decay(log_phi)
    assert decay.growth_lag == 2
    assert decay.rate_per_step == pytest.approx(math.log(0.7), rel=EXACT)


def test_a_single_lag():
    decay = measure_decay(np.array([0.0]))
    assert (decay.rate_per_step, decay.rate_ci95, decay.half_life) == (None, None, None)
    assert decay.horizons == (None, None, None)


def test_one_step_is_too_short_for_a_rate():
    decay = measure_decay(np.array([0.0, -1.0]))
    assert (decay.rate_per_step, decay.rate_ci95) == (None, None)
    assert decay.left_log10 == pytest.approx(-1.0 / math.log(10), rel=EXACT)


def test_the_interval_covers_the_true_rate_about_19_times_in_20():
    rng = np.random.default_rng(0)
    trials, covered = 400, 0
    for _ in range(trials):
        # Slopes of -5 ± 0.2: always falling, so that the whole curve is fitted.
        slopes = -5.0 + 0.2 * rng.standard_normal(200)
        low, high = measure_decay(np.concatenate([[0.0], np.cumsum(slopes)])).rate_ci95
        covered += low <= -5.0 <= high
    # The least-squares slope of a random walk has 6/5 of the variance of its mean slope: Student's
    # t with 9 degrees of freedom covers 93.1 %. Binomial(400, 0.931): 372 ± 5; four of them.
    assert 352 <= covered <= 392


def test_the_width_is_that_of_ten_block_means():
    slopes = np.random.default_rng(1).standard_normal(95) - 5.0
    curve = np.concatenate([[0.0], np.cumsum(slopes)])
    low, high = measure_decay(curve).rate_ci95
    # 95 slopes in ten blocks: five of ten, then five of nine.
    edges = [0, 10, 20, 30, 40, 50, 59, 68, 77, 86, 95]
    means = np.array([slopes[a:b].mean() for a, b in pairwise(edges)])
    # Student's t with 9 degrees of freedom at 97.5 %: 2.262, from any table.
    assert high - low == pytest.approx(2 * 2.262 * means.std(ddof=1) / math.sqrt(10), rel=1e-10)


def test_scaling_the_seed_changes_nothing():
    curve = np.cumsum(np.random.default_rng(2).standard_normal(80) - 0.3)
    one, shifted = measure_decay(curve), measure_decay(curve + 3.0)
    assert shifted.rate_per_step == pytest.approx(one.rate_per_step, rel=1e-12)
    assert shifted.growth_lag == one.growth_lag
    assert shifted.growth_log10 == pytest.approx(one.growth_log10, abs=1e-12)
    assert shifted.left_log10 == pytest.approx(one.left_log10, rel=1e-12)
    assert shifted.horizons == one.horizons


def test_no_half_life_where_decay_is_not_sure():
    """A slope of -0.001 ± 0.05 has a half-life of 700 steps in name only."""
    rng = np.random.default_rng(0)
    wandering = -0.001 * np.arange(201.0) + np.cumsum(rng.normal(0.0, 0.5, 201))
    wandering -= wandering[0]
    decay = measure_decay(wandering)
    assert decay.rate_ci95[0] < 0.0 < decay.rate_ci95[1]
    assert decay.half_life is None
