"""The two pictures of the terminal: the complex plane, and the gradient against the lag."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from rnndiag.cells.base import FloatArray
from rnndiag.measure.eigenvalues import ComplexArray
from rnndiag.readings.words import counted
from rnndiag.render.canvas import Canvas

INSIDE, OUTSIDE = "o", "x"
"""Markers of eigenvalues inside and outside the unit circle: told apart without colour."""


def complex_plane(eigenvalues: ComplexArray, unicode: bool, rows: int = 17) -> list[str]:
    """Eigenvalues and the unit circle, axes to scale; characters are twice as high as wide."""
    limit = 1.15 * max(1.0, float(np.abs(eigenvalues).max(initial=0.0)))
    canvas = Canvas(2 * rows, rows, unicode)

    def scaled(value: complex) -> tuple[float, float]:
        return 0.5 + value.real / (2 * limit), 0.5 + value.imag / (2 * limit)

    for angle in np.linspace(0.0, 2.0 * math.pi, 40 * rows, endpoint=False):
        canvas.dot(*scaled(complex(math.cos(angle), math.sin(angle))))
    for value in eigenvalues[::-1]:
        canvas.marker(*scaled(complex(value)), OUTSIDE if abs(value) > 1.0 else INSIDE)
    axis = f"real and imaginary part from {-limit:.3g} to {limit:.3g}"
    legend = f"the line is the unit circle; {INSIDE} eigenvalue inside, {OUTSIDE} outside"
    return [*canvas.lines(), axis, legend]


def gradient_curve(
    log10_norm: FloatArray, textbook: FloatArray | None, unicode: bool, columns: int = 60
) -> list[str]:
    """log10 φ against the lag as a line, the textbook product of W_hh as t."""
    finite = log10_norm[np.isfinite(log10_norm)]
    top, bottom = _decades(finite)
    canvas = Canvas(columns, CURVE_ROWS, unicode)
    last = max(1, len(log10_norm) - 1)

    def scaled(lag: int, value: float) -> tuple[float, float]:
        return lag / last, (value - bottom) / (top - bottom)

    for lag in range(len(log10_norm) - 1):
        if np.isfinite(log10_norm[lag : lag + 2]).all():
            canvas.line(scaled(lag, log10_norm[lag]), scaled(lag + 1, log10_norm[lag + 1]))
    if textbook is not None:
        for column in range(0, columns, 3):
            lag = round(column / (columns - 1) * last)
            if lag < len(textbook) and bottom <= textbook[lag] <= top:
                canvas.marker(*scaled(lag, float(textbook[lag])), "t")
    return list(_with_axes(canvas, top, bottom, last, textbook is not None))


CURVE_ROWS = 13
"""Odd, so that a row lies in the middle and its label is exact."""


def _decades(finite: FloatArray) -> tuple[int, int]:
    """Whole decades, an even number of them, around the curve and 0."""
    top = max(1, math.ceil(finite.max(initial=0.0)))
    bottom = min(-1, math.floor(finite.min(initial=0.0)))
    return top, bottom - (top - bottom) % 2


def _with_axes(
    canvas: Canvas, top: int, bottom: int, last: int, has_textbook: bool
) -> Iterator[str]:
    bar, corner, dash = ("│", "└", "─") if canvas.unicode else ("|", "+", "-")
    labels = {0: top, canvas.rows // 2: (top + bottom) // 2, canvas.rows - 1: bottom}
    for row, line in enumerate(canvas.lines()):
        label = f"1e{labels[row]:+d}" if row in labels else ""
        yield f"{label:>7} {bar}{line}"
    yield f"{'':>7} {corner}{dash * canvas.columns}"
    end = f"{counted(last, 'step')} back"
    yield f"{'':>9}0{end:>{canvas.columns - 1}}"
    yield f"{'':>9}gradient norm, relative to the loss gradient that starts it"
    if has_textbook:
        yield f"{'':>9}t: textbook product of W_hh"
