"""Where a recurrence settles without input, and the Jacobian of one step there."""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rnndiag.cells import Cell
from rnndiag.cells.base import FloatArray, Linearisation
from rnndiag.cells.elman import ElmanCell, ElmanLinearisation
from rnndiag.measure.eigenvalues import (
    ComplexArray,
    Eigenvalues,
    all_eigenvalues,
    leading_eigenvalues,
)
from rnndiag.measure.krylov import solve
from rnndiag.rounding import judged

LARGEST_STATE = 8192
"""Widest state that is measured: above, one step alone takes tenths of a second, and it needs some
thousands."""

LARGEST_DENSE = 512
"""Widest state whose Jacobian is formed; of a wider one products with vectors are enough."""

ITERATIONS, ITERATIONS_LARGE = 1000, 200
"""Steps after which Newton takes over: a time constant of 50 has then decayed by 2e-9. Fewer where
LARGEST_DENSE is passed and each one takes long."""

NEWTON_STEPS = 20

NEWTON_PRODUCTS = 60
"""Products with a large Jacobian in one step of Newton: slow modes are few, and GMRES takes about
one for each. Of a chaotic network it does not get there, and no fixed point is found."""

TOLERANCE = 1e-11
"""Largest |F(s) − s| that counts as a fixed point, relative to 1 + max|s|."""

NEWTON_TOLERANCE = 1e-3
"""How well a step of Newton is solved for a wide state: each then leaves a thousandth."""

PERTURBATION = 1e-3
"""Length of the push that shows where an unstable fixed point leads."""


MODES = 5
"""Modes that are listed; JSON has every eigenvalue that was computed."""


@dataclass(frozen=True)
class Mode:
    """One direction in which a small perturbation of the state decays, grows or turns."""

    eigenvalue: complex
    """Its factor per step."""

    @property
    def time_constant(self) -> float | None:
        """−1/ln|λ| in steps, after which a part 1/e of it is left; None unless 0 < |λ| < 1.

        Judged as shown: an eigenvalue that is 1 but for its last bits has none of 1e15 steps.

        >>> round(Mode(0.9).time_constant, 2)
        9.49
        """
        size = abs(self.eigenvalue)
        return -1.0 / math.log(size) if size > 0.0 and judged(size) < 1.0 else None

    @property
    def period(self) -> float | None:
        """2π/|arg λ| in steps; None where it does not turn."""
        angle = abs(cmath.phase(self.eigenvalue))
        return 2.0 * math.pi / angle if angle > 1e-12 else None


@dataclass(frozen=True)
class StepJacobian:
    """J = ∂s_t/∂s_{t-1} at one state under zero input."""

    at: Literal["origin", "fixed-point", "none"]
    """fixed-point: the one found from zero by iterating, then by Newton (which may reach one that
    iterating alone leaves again: it is then not stable); origin: none was found, so J is taken at
    h = c = 0; none: not computed (the state is too wide, or not finite)."""

    stable: bool | None
    """Whether the fixed point attracts: spectral radius below 1 as shown. None where it is 1, which
    leaves it to what is not linear, and without a fixed point."""

    leading: Eigenvalues | None
    """All of them, or the leading ones of a wide state; None for "none"."""

    spectral_norm: float | None
    """‖J‖₂; of a wide state, by Lanczos, a lower bound: a Rayleigh quotient, which is never larger,
    without the proof that no larger one was missed."""

    largest_state: float | None = None
    """Largest |entry| of the state it was taken at."""

    @property
    def eigenvalues(self) -> ComplexArray:
        """Largest modulus first; empty for "none"."""
        return np.empty(0, np.complex128) if self.leading is None else self.leading.values

    @property
    def norm_method(self) -> Literal["svd", "lanczos"] | None:
        """How ‖J‖₂ was found; None for "none"."""
        if self.leading is None:
            return None
        return "svd" if self.leading.complete else "lanczos"

    @property
    def spectral_radius(self) -> float | None:
        """max |λ|."""
        return None if self.leading is None else self.leading.radius

    @property
    def modes(self) -> tuple[Mode, ...]:
        """The leading modes, slowest first, a conjugate pair as one."""
        values = [complex(value) for value in self.eigenvalues if value.imag >= 0.0]
        return tuple(map(Mode, values[:MODES]))

    @property
    def time_constant(self) -> float | None:
        """Of the slowest mode, in steps."""
        return self.modes[0].time_constant if self.modes else None

    @property
    def period(self) -> float | None:
        """Of the slowest mode, in steps."""
        return self.modes[0].period if self.modes else None


NOT_COMPUTED = StepJacobian("none", None, None, None)


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
        for _ in range(ITERATIONS if len(start) <= LARGEST_DENSE else ITERATIONS_LARGE):
            new = cell.step(drive, state)
            if not np.isfinite(new).all():
                return None
            settled = _residual(new, state) < TOLERANCE / 100
            state = new
            if settled:
                return state
        return _newton(cell, drive, state)


def _newton(cell: Cell, drive: FloatArray, state: FloatArray) -> FloatArray | None:
    for _ in range(NEWTON_STEPS):
        new = cell.step(drive, state)
        if _residual(new, state) < TOLERANCE:
            return state
        step = _newton_step(cell.linearise(drive, state), new - state)
        if step is None or not np.isfinite(state + step).all():
            return None
        state = state + step
    return None


def _newton_step(jacobian: Linearisation, right: FloatArray) -> FloatArray | None:
    """(I − J)⁻¹ right, approximately for a wide state; None where J is not finite."""
    if len(right) > LARGEST_DENSE:
        return solve(lambda v: v - jacobian.jvp(v), right, NEWTON_PRODUCTS, NEWTON_TOLERANCE)
    matrix = np.eye(len(right)) - jacobian.jacobian()
    if not np.isfinite(matrix).all():
        return None
    try:
        return np.asarray(np.linalg.solve(matrix, right))
    except np.linalg.LinAlgError:  # a line of fixed points makes it singular, which is no error
        return np.asarray(np.linalg.lstsq(matrix, right, rcond=None)[0])


def _residual(new: FloatArray, state: FloatArray) -> float:
    return float(np.abs(new - state).max() / (1.0 + np.abs(state).max()))


def _linearise(
    cell: Cell, drive: FloatArray, state: FloatArray, at: Literal["origin", "fixed-point"]
) -> StepJacobian:
    with np.errstate(over="ignore", invalid="ignore"):
        jacobian = _one_sided(cell, drive, state)
        found = _dense(jacobian) if len(state) <= LARGEST_DENSE else _iterative(jacobian, state)
    if found is None:
        return NOT_COMPUTED
    leading, norm = found
    return StepJacobian(
        at=at,
        stable=_attracts(judged(leading.radius)) if at == "fixed-point" else None,
        leading=leading,
        spectral_norm=norm,
        largest_state=float(np.abs(state).max()),
    )


def _attracts(radius: float) -> bool | None:
    return None if radius == 1.0 else radius < 1.0


def _dense(jacobian: Linearisation) -> tuple[Eigenvalues, float] | None:
    """All eigenvalues, and the norm; None where an entry is not finite."""
    matrix = jacobian.jacobian()
    if not np.isfinite(matrix).all():
        return None
    return all_eigenvalues(matrix), float(np.linalg.norm(matrix, 2))


def _iterative(jacobian: Linearisation, state: FloatArray) -> tuple[Eigenvalues, float] | None:
    """The leading ones from products with vectors alone."""
    leading = leading_eigenvalues(jacobian.jvp, len(state))
    square = leading_eigenvalues(lambda v: jacobian.vjp(jacobian.jvp(v)).state, len(state), 1)
    if leading is None or square is None:
        return None
    return leading, math.sqrt(square.radius)


def _one_sided(cell: Cell, drive: FloatArray, state: FloatArray) -> Linearisation:
    """Its linearisation; of a ReLU at exactly 0 with the slope 1 that a push into activity meets.

    Torch's slope there is 0, which would call every bias-free ReLU network stable at rest, and any
    perturbation of it gone at once, even at W_hh = 1.5.
    """
    if isinstance(cell, ElmanCell) and cell.weights.activation == "relu":
        active = cell.preactivation(drive, state) >= 0.0
        return ElmanLinearisation(cell.weights, active.astype(np.float64))
    return cell.linearise(drive, state)
