"""Inputs for a network of which nothing is known: silence, and noise in the units of its training.

The same function may be written in any unit: x / 100 with W_ih · 100 is the same network. Unit
noise is at home in one of them only, so the scale is taken, feature by feature, from what the
optimizer's state says the network saw, where it says it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnndiag.cells.base import FloatArray
from rnndiag.drives import Drive, Sampler
from rnndiag.measure.training_scale import TrainingScale

MEMORY = 0.9
"""Coefficient of the smooth noise x_t = MEMORY · x_{t-1} + noise. Series that people forecast are
smooth: at lag 30 white noise of the right scale is off by 1.2 decades in the median of 18 trained
networks, this by 0.33."""


class Units(NamedTuple):
    """How large each input feature was."""

    deviation: FloatArray
    """Standard deviation of each feature, shape (input,)."""

    mean: FloatArray
    """Mean of each feature, shape (input,)."""

    said_by: str
    """Who says so: "Adam's state"; "" for nobody, and then they are 1 and 0."""

    @classmethod
    def unknown(cls, width: int) -> Units:
        """Nobody says: standard inputs, as most networks are given."""
        return cls(np.ones(width), np.zeros(width), "")

    @classmethod
    def of_training(cls, scale: TrainingScale) -> Units:
        """What an optimizer's state says; of inputs that are nearly all mean a tenth is left."""
        spread = np.square(scale.inputs) - np.square(scale.mean)
        return cls(
            np.sqrt(np.maximum(spread, np.square(LEAST * scale.inputs))), scale.mean, scale.said_by
        )


LEAST = 0.1
"""Share of a feature's root mean square that its deviation is at least: the estimates of its mean
and of its size have errors of their own."""


def noise_drives(units: Units, deciding: bool) -> list[Drive]:
    """No input, then weak, normal and smooth Gaussian noise.

    Silence decides only where no size of the inputs is known: what has one is not silent.
    """
    width = len(units.deviation)
    size = f"{_shown(units.deviation)}{_around(units.mean)}, from {units.said_by}"
    size = size if units.said_by else "1"
    return [
        Drive(
            "zero",
            deciding and not units.said_by,
            lambda _, t, b: np.zeros((t, b, width)),
            "no input",
        ),
        Drive(
            "weak",
            deciding,
            _white(units.deviation * width**-0.5, units.mean),
            f"Gaussian, std over sqrt(input size) of {size}" if units.said_by else WEAK,
        ),
        Drive("normal", deciding, _white(units.deviation, units.mean), f"Gaussian, std {size}"),
        Drive(
            "smooth",
            deciding,
            _smooth(units.deviation, units.mean),
            f"Gaussian, std {size}, each step {MEMORY:g} of the one before",
        ),
    ]


WEAK = "Gaussian, std 1/sqrt(input size)"


def _shown(scale: FloatArray) -> str:
    low, high = float(scale.min()), float(scale.max())
    return f"{low:.2g}" if f"{low:.2g}" == f"{high:.2g}" else f"{low:.2g} to {high:.2g}"


def _around(mean: FloatArray) -> str:
    """Where the inputs have a mean."""
    return f" around {_shown(mean)}" if mean.any() else ""


def _white(deviation: FloatArray, mean: FloatArray) -> Sampler:
    def sample(generator: np.random.Generator, steps: int, batch: int) -> FloatArray:
        values = generator.standard_normal((steps, batch, len(deviation)))
        values *= deviation  # in place: a long sequence should not be held twice
        values += mean
        return values

    return sample


def _smooth(deviation: FloatArray, mean: FloatArray) -> Sampler:
    """A stationary first-order autoregression, of the given deviation at every step."""

    def sample(generator: np.random.Generator, steps: int, batch: int) -> FloatArray:
        values = generator.standard_normal((steps, batch, len(deviation)))
        values[1:] *= np.sqrt(1.0 - MEMORY**2)
        for t in range(1, steps):
            values[t] += MEMORY * values[t - 1]
        values *= deviation
        values += mean
        return values

    return sample
