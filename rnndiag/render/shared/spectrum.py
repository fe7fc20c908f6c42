"""A spectrum in words: where a Jacobian was taken, and complex numbers."""

from __future__ import annotations

from rnndiag.measure.fixed_point import StepJacobian

DRIVES = {"zero": "along trajectories, no input", "normal": "along trajectories, Gaussian input"}


def jacobian_place(jacobian: StepJacobian) -> str:
    """Name the state that it was taken at."""
    if jacobian.at == "origin":
        return "h = 0"
    kinds = {True: "stable", False: "unstable", None: "neutral"}
    return f"fixed point, {kinds[jacobian.stable]}"


def complex_number(value: complex) -> str:
    """Four digits; without an imaginary part where that is rounding."""
    if abs(value.imag) < 1e-12:
        return f"{value.real:.4g}"
    return f"{value.real:.4g}{value.imag:+.4g}i"
