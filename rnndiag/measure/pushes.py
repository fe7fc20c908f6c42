"""Small pushes off a fixed point, and ReLUs at exactly 0, of which no Jacobian tells what they do.

At such a state the step is linear on either side of a kink and not across it. A push may leave the
side on which it grows: h' = relu(-2 h) sends every push to 0 at once, whatever its slope of -2.
"""

from __future__ import annotations

import numpy as np

from rnndiag.cells import Cell
from rnndiag.cells.base import FloatArray, Linearisation
from rnndiag.cells.elman import ElmanCell, ElmanLinearisation

PERTURBATION = 1e-3
"""Length of the push that shows where an unstable fixed point leads."""

PUSHES = 32
"""Random directions in which a state is pushed where no Jacobian tells which of them grow."""


def random_pushes(size: int) -> FloatArray:
    """Pushes of length PERTURBATION in PUSHES directions, (pushes, size), the same every time."""
    directions = np.random.default_rng(0).standard_normal((PUSHES, size))
    return np.asarray(PERTURBATION * directions / np.linalg.norm(directions, axis=1, keepdims=True))


def pushed_growth(
    cell: Cell, drive: FloatArray, fixed: FloatArray, pushes: FloatArray, steps: int
) -> FloatArray:
    """How many times its length every push has after so many steps, (pushes,); inf for overflow."""
    states = fixed + pushes
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(steps):
            states = cell.step(drive, states)
        lengths = np.linalg.norm(states - fixed, axis=1)
    grown = lengths / np.linalg.norm(pushes, axis=1)
    return np.where(np.isfinite(grown), grown, np.inf)


def is_switching(cell: Cell, drive: FloatArray, state: FloatArray) -> bool:
    """Whether some ReLU is at exactly 0, where its slope jumps."""
    if not (isinstance(cell, ElmanCell) and cell.weights.activation == "relu"):
        return False
    return bool((cell.preactivation(drive, state) == 0.0).any())


def one_sided_linearisation(cell: Cell, drive: FloatArray, state: FloatArray) -> Linearisation:
    """A cell's linearisation; of a ReLU at exactly 0 with the slope 1 of its active side.

    Torch's slope there is 0, which would leave nothing of any perturbation, even at W_hh = 1.5.
    """
    if not is_switching(cell, drive, state):
        return cell.linearise(drive, state)
    active = cell.preactivation(drive, state) >= 0.0
    return ElmanLinearisation(cell.weights, active.astype(np.float64))
