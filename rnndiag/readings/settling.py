"""Where a network settles without input, how fast, and which growth rate to believe."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rnndiag.measure.along import TrajectoryRate
from rnndiag.measure.fixed_point import LARGEST_STATE, Settling, StepJacobian
from rnndiag.measure.pushes import PUSHES
from rnndiag.rounding import judged

AGREEING_SHARE, AGREEING_RATE = 0.1, 0.01
"""Rates closer than a tenth, or 0.01 nats a step (1 % a step), are called the same."""


def read_settling(settling: Settling) -> Iterator[str]:
    """The sentences on the fixed point, its stability and its modes."""
    jacobian = settling.jacobian
    if jacobian.at == "none":
        yield (
            f"The step Jacobian was not computed: the state is wider than {LARGEST_STATE}, or its "
            "values overflow."
        )
        return
    radius = judged(jacobian.spectral_radius or 0.0)
    if jacobian.at == "origin":
        yield (
            "Without input the state settles nowhere (a cycle, chaos, growth); the step Jacobian "
            f"is taken at h = 0, spectral radius {radius:.4g}."
        )
    elif jacobian.one_sided:
        yield _switching(jacobian, radius) + (
            _after_push(settling.after_push) if jacobian.stable is False else ""
        )
    elif jacobian.stable:
        yield f"Without input the state {_settles(jacobian)}{_memory(jacobian)}"
    elif jacobian.stable is None:
        yield (
            f"Without input the state {_settles(jacobian)}; a small perturbation there neither "
            "grows nor shrinks to first order (spectral radius 1), so its fate hangs on what is "
            "not linear."
        )
    else:
        what = f"{_unstable(jacobian)} (spectral radius {radius:.4g})."
        yield what + _after_push(settling.after_push)
    leading = jacobian.leading
    if leading is not None and not leading.complete:
        yield (
            f"The step Jacobian is large: only its {len(leading.values)} leading eigenvalues were "
            f"computed, by Arnoldi's method (relative residual {leading.residual:.0e}), and its "
            "norm is a lower bound."
        )


def _settles(jacobian: StepJacobian) -> str:
    """Newton's method finds fixed points that the state itself does not come to, or not soon."""
    if jacobian.settled:
        return "settles"
    return (
        "does not settle within hundreds of steps (a cycle, chaos, or a long drift); there is a "
        "fixed point"
    )


def _switching(jacobian: StepJacobian, radius: float) -> str:
    """At exactly 0 a ReLU has two slopes, and eigenvalues belong to the one of its active side."""
    fates = {True: "die out", False: "grow", None: "keep their size"}
    share = "" if jacobian.stable else "some of "
    return (
        f"Without input the state {_settles(jacobian)} where ReLUs are exactly at 0, between off "
        f"and on: {share}{PUSHES} small pushes in random directions {fates[jacobian.stable]}. With "
        f"those units on, the spectral radius is {radius:.4g}, which does not decide that."
    )


def _unstable(jacobian: StepJacobian) -> str:
    """Iterating stays on an unstable fixed point only if it starts there, at zero."""
    if jacobian.largest_state == 0.0:
        return "Without input the state stays at zero, which is an unstable fixed point"
    near = "the fixed point found near it" if jacobian.settled else "a fixed point found from there"
    return f"Without input the state does not settle; {near} is unstable"


def _memory(jacobian: StepJacobian) -> str:
    tau = jacobian.time_constant
    if tau is None:
        return ", and a perturbation is gone at once."
    return (
        f", and a small perturbation there keeps {jacobian.spectral_radius:.4g} of itself a step "
        f"in its slowest direction: time constant {tau:.4g} steps{_turning(jacobian.period)}."
    )


def _turning(period: float | None) -> str:
    if period is None:
        return ""
    if judged(period) == 2.0:
        return ", changing sign at every step"
    return f", turning once in {period:.4g} steps"


def _after_push(reached: StepJacobian | None) -> str:
    if reached is None:
        return " Pushed off it, the state settles nowhere soon: a cycle, chaos, growth, or a drift."
    if reached.stable is None:
        return " Pushed off it, the state settles elsewhere, where the spectral radius is 1."
    return (
        f" Pushed off it, the state settles elsewhere{_memory(reached)}"
        if reached.stable
        else " Pushed off it, the state settles nowhere: the next fixed point is unstable as well."
    )


def read_rates(settling: Settling, along: Sequence[TrajectoryRate]) -> Iterator[str]:
    """The fixed point's rate beside the one along trajectories, and which to believe."""
    driven = next((rate for rate in along if rate.drive == "normal"), None)
    at_point = point_rate(settling.jacobian)
    if driven is None or driven.rate is None or at_point is None:
        return
    where = "at the fixed point" if settling.jacobian.at == "fixed-point" else "at h = 0"
    both = (
        f"Growth rate of small changes of the state, in nats a step: {_signed(at_point)} {where} "
        f"(ln of the radius), {_signed(driven.rate)}{_margin(driven.margin)} along trajectories "
        "under Gaussian input (standard deviation 1)."
    )
    if _agree(at_point, driven.rate, driven.margin):
        how = "grow" if driven.rate > 0.0 else "decay"
        yield f"{both} They agree: {where} one already sees how gradients {how}."
    else:
        yield f"{both} Believe the latter: gradients follow trajectories."


def point_rate(jacobian: StepJacobian) -> float | None:
    """ln ρ of the step Jacobian, nats per step; None where it was not computed."""
    radius = jacobian.spectral_radius
    if radius is None:
        return None
    # As shown: of an orthogonal matrix it is 1 but for the last bits.
    return math.log(judged(radius)) if radius > 0.0 else -math.inf


def _signed(rate: float) -> str:
    return f"{rate:+.3g}"


def _margin(margin: float) -> str:
    return f" ± {margin:.2g}" if margin else ""


def _agree(at_point: float, along: float, margin: float) -> bool:
    """Whether they have one sign and are as near as both are known."""
    if at_point == along:  # both -inf
        return True
    near = max(AGREEING_RATE, AGREEING_SHARE * abs(at_point), margin)
    return abs(at_point - along) <= near and (at_point > 0.0) == (along > 0.0)
