"""Where a recurrence settles without input, and the Jacobian of one step there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from rnndiag.cells import Cell
from rnndiag.cells.base import FloatArray, scale_rows
from rnndiag.cells.elman import ElmanCell

ComplexArray = npt.NDArray[np.complex128]

LARGEST_STATE = 2048
"""Widest state whose Jacobian's eigenvalues are computed: about half a minute on one core."""

ITERATIONS = 1000
"""Steps after which Newton takes over: a time constant of 50 has then decayed by 2e-9."""

TOLERANCE = 1e-11
"""Largest |F(s) − s| that counts as a fixed point, relative to 1 + max|s|."""

PERTURBATION = 1e-3
"""Length of the push that shows where an unstable fixed point leads."""


@dataclass(frozen=True)
class StepJacobian:
    """J = ∂s_t/∂s_{t-1} at one state under zero input."""

    at: Literal["origin", "fixed-point", "none"]
    """fixed-point: the one found from zero by iterating, then by Newton (which may reach one that
    iterating alone leaves again: it is then not stable); origin: none was found, so J is taken at
    h = c = 0; none: not computed (the state is too wide, or not finite)."""

    stable: bool | None
    """Whether the fixed point attracts: spectral radius below 1; None without a fixed point."""

    eigenvalues: ComplexArray
    """Largest modulus first; empty for "none"."""

    spectral_norm: float | None

    largest_state: float | None = None
    """Largest |entry| of the state it was taken at."""

    @property
    def spectral_radius(self) -> float | None:
        """max |λ|."""
        return float(np.abs(self.eigenvalues[0])) if self.eigenvalues.size else None

    @property
    def time_constant(self) -> float | None:
        """−1/ln ρ in steps, of the slowest mode; None unless 0 < ρ < 1."""
        radius = self.spectral_radius
        return -1.0 / math.log(radius) if radius is not None and 0.0 < radius < 1.0 else None

    @property
    def period(self) -> float | None:
        """2π/|arg λ| in steps of the slowest mode; None where it does not turn."""
        if not self.eigenvalues.size:
            return None
        angle = abs(float(np.angle(self.eigenvalues[0])))
        return 2.0 * math.pi / angle if angle > 1e-12 else None


NOT_COMPUTED = StepJacobian("none", None, np.empty(0, dtype=np.complex128), None)


@dataclass(frozen=True)
class Settling:
    """The step Jacobian where iterating from zero settles, and where a push from there leads."""

    jacobian: StepJacobian

    after_push: StepJacobian | None = None
    """At the fixed point reached from an unstable one; None if that one is stable, or if the pushed
    state settles nowhere."""


def measure_settling(cell: Cell) -> Settling:
    """Iterate from h = c = 0 under zero input, refine by Newton, and linearise there."""
    if cell.state_size > LARGEST_STATE:
        return Settling(NOT_COMPUTED)
    drive = cell.project(np.zeros(cell.weights.weight_ih.shape[1]))
    origin = np.zeros(cell.state_size)
    fixed = find_fixed_point(cell, drive, origin)
    if fixed is None:
        return Settling(_linearise(cell, drive, origin, "origin"))
    jacobian = _linearise(cell, drive, fixed, "fixed-point")
    if jacobian.stable is not False:
        return Settling(jacobian)
    direction = np.random.default_rng(0).standard_normal(cell.state_size)
    pushed = fixed + PERTURBATION * direction / np.linalg.norm(direction)
    reached = find_fixed_point(cell, drive, pushed)
    if reached is None or np.abs(reached - fixed).max() < PERTURBATION:
        return Settling(jacobian)
    return Settling(jacobian, _linearise(cell, drive, reached, "fixed-point"))


def find_fixed_point(cell: Cell, drive: FloatArray, start: FloatArray) -> FloatArray | None:
    """A state that one step leaves where it is: by iteration from `start`, then Newton.

    drive (gates * hidden,), start (state_size,); None where no state within TOLERANCE was found.
    """
    state = start
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(ITERATIONS):
            new = cell.step(drive, state)
            if not np.isfinite(new).all():
                return None
            settled = _residual(new, state) < TOLERANCE / 100
            state = new
            if settled:
                return state
        return _newton(cell, drive, state)


def _newton(cell: Cell, drive: FloatArray, state: FloatArray) -> FloatArray | None:
    identity = np.eye(len(state))
    for _ in range(20):
        new = cell.step(drive, state)
        if _residual(new, state) < TOLERANCE:
            return state
        matrix = identity - cell.linearise(drive, state).jacobian()
        if not np.isfinite(matrix).all():
            return None
        state = state + _solve(matrix, new - state)
        if not np.isfinite(state).all():
            return None
    return None


def _solve(matrix: FloatArray, right: FloatArray) -> FloatArray:
    """Newton's step; a line of fixed points makes I − J singular, which is no error."""
    try:
        return np.asarray(np.linalg.solve(matrix, right))
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.lstsq(matrix, right, rcond=None)[0])


def _residual(new: FloatArray, state: FloatArray) -> float:
    return float(np.abs(new - state).max() / (1.0 + np.abs(state).max()))


def _linearise(
    cell: Cell, drive: FloatArray, state: FloatArray, at: Literal["origin", "fixed-point"]
) -> StepJacobian:
    with np.errstate(over="ignore", invalid="ignore"):
        matrix = _one_sided_jacobian(cell, drive, state)
    if not np.isfinite(matrix).all():
        return NOT_COMPUTED
    eigenvalues = sorted_eigenvalues(matrix)
    return StepJacobian(
        at=at,
        stable=bool(np.abs(eigenvalues[0]) < 1.0) if at == "fixed-point" else None,
        eigenvalues=eigenvalues,
        spectral_norm=float(np.linalg.norm(matrix, 2)),
        largest_state=float(np.abs(state).max()),
    )


def _one_sided_jacobian(cell: Cell, drive: FloatArray, state: FloatArray) -> FloatArray:
    """J; of a ReLU at exactly 0 with the slope 1 that a push into activity meets.

    Torch's slope there is 0, which would call every bias-free ReLU network stable at rest, and any
    perturbation of it gone at once, even at W_hh = 1.5.
    """
    if isinstance(cell, ElmanCell) and cell.weights.activation == "relu":
        weight_hh = cell.weights.weight_hh
        active = drive + weight_hh @ state >= 0.0
        return scale_rows(active.astype(np.float64), weight_hh)
    return cell.linearise(drive, state).jacobian()


def sorted_eigenvalues(matrix: FloatArray) -> ComplexArray:
    """Eigenvalues of a square matrix, largest modulus first, ties by real then imaginary part."""
    values = np.linalg.eigvals(matrix).astype(np.complex128)
    # Rounded keys: conjugates differ in the last bit of their modulus on some machines. Relative to
    # the largest: eigenvalues of 1e-14 would all round to the same.
    modulus = np.abs(values)
    modulus = np.round(modulus / (modulus.max(initial=0.0) or 1.0), 12)
    return np.asarray(values[np.lexsort((-values.imag, -values.real, -modulus))])
