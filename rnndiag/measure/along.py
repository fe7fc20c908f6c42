"""How fast perturbations grow along a trajectory: beside the eigenvalues at a fixed point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from rnndiag.measure.fixed_point import LARGEST_STATE
from rnndiag.measure.lyapunov import COVERING, measure_lyapunov
from rnndiag.rollout import Cells, LayerRun, random_states, run_stack

STEPS, STEPS_WIDE, WIDE = 300, 100, 1024
"""Steps followed, fewer for states wider than WIDE: there each one takes tens of milliseconds."""

BATCH = 2
"""Trajectories; the mean is over both."""


@dataclass(frozen=True)
class TrajectoryRate:
    """The mean growth rate of small state perturbations along trajectories under one input."""

    drive: Literal["zero", "normal"]
    """Without input, or under Gaussian input of standard deviation 1; a stacked layer is driven by
    the one below it."""

    steps: int
    """Steps followed: 0 where the forward pass overflows at once."""

    rate: float | None
    """The largest Lyapunov exponent, nats per step; None without steps."""

    standard_error: float | None
    """Nats per step; None if too few steps."""

    @property
    def margin(self) -> float:
        """Half the width of its 95 % interval, as far as it is known."""
        return COVERING * (self.standard_error or 0.0)


def measure_rates(cells: Cells) -> list[list[tuple[TrajectoryRate, ...]]]:
    """Rates of every layer of a module, without input and under noise: rates[depth][direction].

    lim 1/T ln‖J_T … J_1 u‖ in nats per step, for almost every u: see `measure_lyapunov`. None of
    them for a module with a state wider than LARGEST_STATE.

    >>> from rnndiag.cells import CELLS, LayerWeights
    >>> one = np.ones((1, 1))
    >>> cell = CELLS["rnn"](LayerWeights(one, 0.9 * one, one[0], one[0], None, "relu"))
    >>> bool(np.isclose(measure_rates([[cell]])[0][0][0].rate, np.log(0.9)))
    True
    """
    widest = max(cell.state_size for layer_cells in cells for cell in layer_cells)
    if widest > LARGEST_STATE:
        return [[() for _ in layer_cells] for layer_cells in cells]
    steps = STEPS if widest <= WIDE else STEPS_WIDE
    generator = np.random.default_rng(0)
    initial = random_states(cells, BATCH, generator)
    noise = generator.standard_normal((steps, BATCH, cells[0][0].weights.weight_ih.shape[1]))
    quiet = run_stack(cells, np.zeros_like(noise), initial)
    driven = run_stack(cells, noise, initial)
    return [
        [
            (_rate(zero, "zero"), _rate(normal, "normal"))
            for zero, normal in zip(*layer, strict=True)
        ]
        for layer in zip(quiet, driven, strict=True)
    ]


def _rate(run: LayerRun, drive: Literal["zero", "normal"]) -> TrajectoryRate:
    found = measure_lyapunov(run)
    rate = float(found.exponents[0]) if run.steps else None
    return TrajectoryRate(drive, run.steps, rate, found.standard_error)
