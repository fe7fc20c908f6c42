"""Where a recurrence settles without input, and the Jacobian of one step there."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from rnndiag.cells import Cell
from rnndiag.cells.base import FloatArray, Linearisation
from rnndiag.measure.eigenvalues import (
    ComplexArray,
    Eigenvalues,
    all_eigenvalues,
    leading_eigenvalues,
)
from rnndiag.measure.krylov import solve
from rnndiag.measure.modes import Mode
from rnndiag.measure.pushes import (
    PERTURBATION,
    is_switching,
    one_sided_linearisation,
    pushed_growth,
    random_pushes,
)
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

SETTLED = 0.01
"""Distance from a fixed point, relative to 1 + max|s|, within which iterating has come to it."""

MODES = 5
"""Modes that are listed; JSON has every eigenvalue that was computed."""


@dataclass(frozen=True)
class StepJacobian:
    """J = ∂s_t/∂s_{t-1} at one state under zero input."""

    at: Literal["origin", "fixed-point", "none"]
    """fixed-point: the one found from zero by iterating, then by Newton (which may reach one that
    iterating leaves again, or does not come to: see `settled`); origin: none was found, so J is
    taken at h = c = 0; none: not computed (the state is too wide, or not finite)."""

    stable: bool | None
    """Whether the fixed point attracts: spectral radius below 1 as shown; where J is one-sided,
    whether pushes in random directions have shrunk after 1,000 steps. None where they keep their
    size or the radius is 1, which leaves it to what is not linear, and without a fixed point."""

    leading: Eigenvalues | None
    """All of them, or the leading ones of a wide state; None for "none"."""

    spectral_norm: float | None
    """‖J‖₂; of a wide state, by Lanczos, a lower bound: a Rayleigh quotient, which is never larger,
    without the proof that no larger one was missed."""

    largest_state: float | None = None
    """Largest |entry| of the state it was taken at."""

    settled: bool | None = None
    """Whether iterating alone comes within a hundredth of the fixed point: if not, the state cycles
    or creeps elsewhere for as long as it was followed. None without a fixed point."""

    one_sided: bool = False
    """Whether a ReLU is at exactly 0 there: J is that of its active side, from which a push may
    leave, so that the spectral radius does not tell what becomes of it."""

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
        return Settling(_linearise(cell, drive, origin))
    jacobian = _linearise(cell, drive, fixed.state, fixed)
    pushes = random_pushes(cell.state_size)
    if is_switching(cell, drive, fixed.state):
        steps = _iterations(fixed.state)
        growth = pushed_growth(cell, drive, fixed.state, pushes, steps)
        pushes = pushes[[growth.argmax()]]
        jacobian = replace(jacobian, stable=_attracts(judged(growth.max())), one_sided=True)
    if jacobian.stable is not False:
        return Settling(jacobian)
    reached = find_fixed_point(cell, drive, fixed.state + pushes[0])
    if reached is None or not reached.settled or _is_near(reached.state, fixed.state):
        return Settling(jacobian)
    return Settling(jacobian, _linearise(cell, drive, reached.state, reached))


def _is_near(reached: FloatArray, fixed: FloatArray) -> bool:
    return bool(np.abs(reached - fixed).max() < PERTURBATION)


class FixedPoint(NamedTuple):
    """A state that one step leaves where it is."""

    state: FloatArray
    """Shape (state_size,)."""

    settled: bool
    """Whether iterating alone came within SETTLED of it."""


def find_fixed_point(cell: Cell, drive: FloatArray, start: FloatArray) -> FixedPoint | None:
    """A state that one step leaves where it is: by iteration from `start`, then Newton.

    drive (gates * hidden,), start (state_size,); None where no state within TOLERANCE was found.
    """
    state = start
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(_iterations(start)):
            new = cell.step(drive, state)
            if not np.isfinite(new).all():
                return None
            settled = _distance(new, state) < TOLERANCE / 100
            state = new
            if settled:
                return FixedPoint(state, True)
        found = _newton(cell, drive, state)
    if found is None:
        return None
    return FixedPoint(found, _distance(state, found) < SETTLED)


def _iterations(state: FloatArray) -> int:
    return ITERATIONS if state.shape[-1] <= LARGEST_DENSE else ITERATIONS_LARGE


def _newton(cell: Cell, drive: FloatArray, state: FloatArray) -> FloatArray | None:
    for _ in range(NEWTON_STEPS):
        new = cell.step(drive, state)
        if _distance(new, state) < TOLERANCE:
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


def _distance(new: FloatArray, state: FloatArray) -> float:
    return float(np.abs(new - state).max() / (1.0 + np.abs(state).max()))


def _linearise(
    cell: Cell, drive: FloatArray, state: FloatArray, fixed: FixedPoint | None = None
) -> StepJacobian:
    """At the fixed point that was found, else at the origin."""
    with np.errstate(over="ignore", invalid="ignore"):
        jacobian = one_sided_linearisation(cell, drive, state)
        found = _dense(jacobian) if len(state) <= LARGEST_DENSE else _iterative(jacobian, state)
    if found is None:
        return NOT_COMPUTED
    leading, norm = found
    return StepJacobian(
        at="origin" if fixed is None else "fixed-point",
        stable=None if fixed is None else _attracts(judged(leading.radius)),
        leading=leading,
        spectral_norm=norm,
        largest_state=float(np.abs(state).max()),
        settled=None if fixed is None else fixed.settled,
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
