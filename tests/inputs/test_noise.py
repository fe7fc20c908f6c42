"""Silence and noise: their deviation, their smoothness, and whose units they are in."""

from __future__ import annotations

import numpy as np
import pytest

from rnndiag.inputs.noise import MEMORY, Units, noise_drives
from rnndiag.measure.training_scale import TrainingScale


def drive(name, units=None):
    units = units or Units.unknown(5)
    return next(d for d in noise_drives(units, deciding=True) if d.name == name)


@pytest.mark.parametrize(
    ("name", "deviation"), [("weak", 5**-0.5), ("normal", 1.0), ("smooth", 1.0)]
)
def test_noise_has_its_deviation(name, deviation):
    values = drive(name).inputs(seed=0, steps=2000, batch=8)
    assert values.shape == (2000, 8, 5)
    # 80,000 values: the deviation's own standard error is 1/√160,000 = 0.25 %, the mean's 0.35 %.
    # Smooth ones count for (1 − 0.9²)/(1 + 0.9²) as many in the first and 0.1/1.9 in the second.
    less = (1 + MEMORY**2) / (1 - MEMORY**2) if name == "smooth" else 1.0
    mean_less = (1 + MEMORY) / (1 - MEMORY) if name == "smooth" else 1.0
    assert values.std() == pytest.approx(deviation, rel=0.0125 * less**0.5)
    assert abs(values.mean()) < 0.02 * deviation * mean_less**0.5


def test_smooth_noise_is_an_autoregression_from_its_first_step_on():
    """Correlation MEMORY^k between steps k apart, and the same deviation at every step."""
    values = drive("smooth").inputs(0, 60, 4000)
    assert values.std(axis=(1, 2)) == pytest.approx(np.ones(60), rel=0.03)  # 20,000 values each
    for lag in (1, 5, 20):
        products = (values[lag:] * values[: len(values) - lag]).mean(axis=(1, 2))
        # Each mean of 20,000 products of size 1 has a standard error of at most 1 %.
        assert products == pytest.approx(np.full(60 - lag, MEMORY**lag), abs=0.05)


def test_zero_is_zero():
    assert drive("zero").inputs(0, 6, 2).shape == (6, 2, 5)
    assert not drive("zero").inputs(0, 6, 2).any()


def test_noise_takes_its_scale_feature_by_feature():
    units = Units(np.array([0.25, 64.0]), np.zeros(2), "Adam's state")
    unknown = Units.unknown(2)
    for name in ("weak", "normal", "smooth"):
        found, plain = drive(name, units).inputs(1, 30, 3), drive(name, unknown).inputs(1, 30, 3)
        # Powers of two: the same numbers to the last bit.
        np.testing.assert_array_equal(found, plain * [0.25, 64.0])
        assert "0.25 to 64, from Adam's state" in drive(name, units).source


def test_raw_inputs_are_noise_around_their_mean():
    scale = TrainingScale(np.array([5.0, 10.0]), np.array([3.0, 10.0]), 0.5, "Adam's state")
    units = Units.of_training(scale)
    # √(5² − 3²) = 4; of what is all mean a tenth is left.
    np.testing.assert_allclose(units.deviation, [4.0, 1.0])
    for name in ("normal", "smooth"):
        values = drive(name, units).inputs(0, 4000, 4).reshape(-1, 2)
        np.testing.assert_allclose(values.mean(axis=0), [3.0, 10.0], atol=0.6)
        np.testing.assert_allclose(values.std(axis=0), [4.0, 1.0], rtol=0.1)
        assert "around 3 to 10" in drive(name, units).source


def test_silence_decides_only_where_no_size_is_known():
    units = Units(np.array([3.0]), np.zeros(1), "Adam's state")
    assert not drive("zero", units).deciding
    assert drive("normal", units).deciding
    assert drive("zero").deciding
