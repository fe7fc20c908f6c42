"""What one gradient curve says: its rate, half-life, horizons and growth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rnndiag.cells.base import FloatArray

LN10 = math.log(10.0)

BLOCKS = 10
"""Blocks whose mean slopes give the rate's interval."""

FEWEST_STEPS = 20
"""Steps below which a recorded sequence has no rate: ten blocks of slopes need two steps each."""

LOG_SMALLEST_FLOAT16 = -14.0 * math.log(2.0)
"""ln of the smallest normal float16, 2^-14: below it bits are lost, and below 2^-24 everything."""

STUDENT_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""Student's t at 97.5 % for 1 … 9 degrees of freedom."""


@dataclass(frozen=True)
class Decay:
    """How φ_k, the gradient's size at lag k relative to the seed's, behaves."""

    rate_per_step: float | None
    """Slope of ln φ, nats per step; -inf where φ drops to exact zero at once; None for one lag, and
    for recorded sequences that are too short for one."""

    rate_ci95: tuple[float, float] | None
    """95 % interval of the rate from block means; None for fewer than two steps of slope."""

    half_life: float | None
    """ln 2 / −rate in steps; None where φ does not decay, or not surely (95 %)."""

    horizons: tuple[int | None, int | None, int | None]
    """Last lag with φ ≥ 10^-1, 10^-2, 10^-3; None if never crossed within the window, and -1 if φ
    is below it at every lag."""

    float16_horizon: int | None
    """The same with φ ≥ 6.1e-5, the smallest normal float16."""

    growth_log10: float
    """Largest log10 φ of any lag; -inf for a gradient that is zero throughout."""

    growth_lag: int
    """The lag of that maximum."""


def measure_decay(log_phi: FloatArray, rated: bool = True) -> Decay:
    """Measure a curve of ln φ by lag, shape (steps + 1,); -inf where φ is zero.

    Not `rated`: without what needs a rate, such as a half-life.

    >>> decay = measure_decay(np.log(0.9) * np.arange(101))
    >>> round(decay.half_life, 6), decay.horizons
    (6.578813, (21, 43, 65))
    """
    finite = np.flatnonzero(np.isfinite(log_phi))
    if not finite.size:
        return Decay(-math.inf, None, 0.0, (-1, -1, -1), -1, -math.inf, 0)
    peak = int(np.argmax(log_phi))
    rate, interval = _rate(log_phi, _fit_range(log_phi, finite, peak)) if rated else (None, None)
    first, second, third = (horizon(log_phi, -decades * LN10) for decades in (1, 2, 3))
    return Decay(
        rate,
        interval,
        _half_life(rate, interval),
        (first, second, third),
        horizon(log_phi, LOG_SMALLEST_FLOAT16),
        log_phi[peak] / LN10,
        peak,
    )


def _half_life(rate: float | None, interval: tuple[float, float] | None) -> float | None:
    surely_decays = rate is not None and (rate if interval is None else interval[1]) < 0.0
    return math.log(2) / -rate if rate is not None and surely_decays else None


def _fit_range(log_phi: FloatArray, finite: np.ndarray, peak: int) -> np.ndarray:
    """The lags that the rate is fitted on: from the peak on, or all if most lie before it.

    A curve that still grows at the end of the window has its peak there, and nothing after it to
    fit; its rate is that of the whole window. One that is exact zero at the end does not grow
    there: what counts is how it fell from its peak.
    """
    after = finite[finite >= peak]
    ends_in_zero = bool(np.isneginf(log_phi[-1]))
    return after if ends_in_zero or len(after) > len(finite) / 2 else finite


def _rate(log_phi: FloatArray, lags: np.ndarray) -> tuple[float | None, tuple[float, float] | None]:
    """Least-squares slope over the lags, and its interval from the means of blocks of slopes."""
    values = log_phi[lags]
    if len(lags) < 2:
        return (-math.inf if np.isneginf(log_phi[-1]) else None), None
    centred = lags - lags.mean()
    slope = float(centred @ values / (centred @ centred))
    slopes = np.diff(values) / np.diff(lags)
    if len(slopes) < 2:
        return slope, None
    blocks = np.array([b.mean() for b in np.array_split(slopes, min(BLOCKS, len(slopes)))])
    error = float(blocks.std(ddof=1)) / math.sqrt(len(blocks))
    margin = STUDENT_975[len(blocks) - 2] * error
    return slope, (slope - margin, slope + margin)


def horizon(log_phi: FloatArray, threshold: float) -> int | None:
    """The last lag at which ln φ, or log10 φ, is at least the threshold; None for the last of all.

    -1 where it is below at every lag.

    >>> horizon(np.array([0.0, -1.0, -0.5, -2.0]), -0.5)
    2
    """
    # A curve that is 10^-N to the last bit counts as not yet below it.
    above = np.flatnonzero(log_phi >= threshold - 1e-12)
    if not above.size:
        return -1
    last = int(above[-1])
    return None if last == len(log_phi) - 1 else last
