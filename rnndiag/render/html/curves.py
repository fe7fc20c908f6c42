"""The gradient against the lag as a picture, on a logarithmic scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from rnndiag.cells.base import FloatArray
from rnndiag.measure.drive_trace import DriveTrace
from rnndiag.measure.trace import LayerTrace
from rnndiag.readings.words import counted
from rnndiag.render.html.axes import Frame, Labels, coordinate, picture, ticks
from rnndiag.render.html.element import Element, element
from rnndiag.rounding import power_of_ten

WIDTH, HEIGHT = 390.0, 290.0
FIRST_DECADES = (-3.5, 0.5)
"""What is shown at least: all of a gradient and a thousandth of it."""

ROOM = 13.0
"""Pixels that one line of text takes: marks nearer to each other are named below alone."""


def curves(trace: LayerTrace, lags: Sequence[int], file: int, layer: int) -> Element:
    """Every drive's curve; of the chosen one, to begin with the one that is quoted, the details."""
    frame = frame_around(_all_curves(trace), trace.seq_len)
    shown = trace.headline
    drawn = [
        element("path", class_=name, d=f"M0,{coordinate(frame.y(y))}H{WIDTH:g}")
        for name, y in (("level", 0.0), ("level", -3.0))
    ]
    if trace.textbook_log10 is not None:
        line = curve_line(frame, trace.textbook_log10, lags)
        drawn.append(element("path", class_="textbook", d=line))
    drawn += [
        _drive(frame, drive, lags, place, chosen=drive is shown)
        for place, drive in enumerate(trace.drives)
    ]
    drawn.append(element("path", class_="cursor", d=""))
    return against_lag(
        frame,
        "Gradient norm against the lag",
        f"Under {shown.drive} input, {_ends(shown)}.",
        drawn,
        class_="curves",
        tabindex=0,
        data_file=file,
        data_layer=layer,
    )


def against_lag(
    frame: Frame, title: str, description: str, drawn: Sequence[Element], **data: str | int
) -> Element:
    """A picture of what is left so many steps back."""
    x_ticks = [(value, f"{value:g}") for value in ticks(0.0, frame.right, 6)]
    exponents = [value for value in ticks(frame.bottom, frame.top, 8) if value == int(value)]
    y_ticks = [(value, decade(value)) for value in exponents]
    labels = Labels(
        title,
        description,
        "steps back from the loss (lag)",
        "gradient norm, relative to 1 at the loss",
    )
    return picture(frame, labels, x_ticks, y_ticks, drawn, **data)


def frame_around(curves: Sequence[FloatArray], steps: int) -> Frame:
    """From the smallest to the largest finite value of any curve of log10, with a little room."""
    finite = [curve[np.isfinite(curve)] for curve in curves]
    values = np.concatenate([*finite, np.asarray(FIRST_DECADES)])
    low, high = float(values.min()), float(values.max())
    room = 0.03 * (high - low)
    return Frame(WIDTH, HEIGHT, 0.0, float(max(1, steps)), low - room, high + room)


def _all_curves(trace: LayerTrace) -> list[FloatArray]:
    """What decides how far the picture reaches; the textbook product may leave it."""
    return [
        curve
        for drive in trace.drives
        for curve in (drive.log10_gradient_norm, drive.log10_cell_gradient_norm)
        if curve is not None
    ]


def decade(value: float) -> str:
    """A power of ten on the axis.

    >>> decade(0.0), decade(-3.0)
    ('1', '1e-3')
    """
    return "1" if value == 0.0 else f"1e{int(value):+d}"


def _ends(drive: DriveTrace) -> str:
    last = float(drive.log10_gradient_norm[-1])
    steps = counted(len(drive.log10_gradient_norm) - 1, "step")
    return f"{power_of_ten(last)} of the gradient is left after {steps}"


def _drive(
    frame: Frame, drive: DriveTrace, lags: Sequence[int], place: int, chosen: bool
) -> Element:
    details = [_band(frame, drive, lags)]
    if drive.log10_cell_gradient_norm is not None:
        line = curve_line(frame, drive.log10_cell_gradient_norm, lags)
        details.append(element("path", class_="cell", d=line))
    return element(
        "g",
        element("g", details, class_="details"),
        element(
            "path", class_="hidden-state", d=curve_line(frame, drive.log10_gradient_norm, lags)
        ),
        element("g", _marks(frame, drive), class_="details marks"),
        class_=f"drive colour-{place}{' chosen' if chosen else ''}",
        data_drive=place,
    )


def curve_line(frame: Frame, curve: FloatArray, lags: Sequence[int]) -> str:
    """A path through the lags; exact zeros and overflows leave a gap."""
    pieces, command = [], "M"
    for lag in lags:
        if lag < len(curve) and np.isfinite(curve[lag]):
            pieces.append(f"{command}{frame.at(lag, float(curve[lag]))}")
            command = "L"
        else:
            command = "M"
    return "".join(pieces)


def _band(frame: Frame, drive: DriveTrace, lags: Sequence[int]) -> Element:
    """Between the 5th and the 95th percentile of samples; zero lies at the lower edge."""
    inside = [k for k in lags if k < len(drive.log10_p95) and np.isfinite(drive.log10_p95[k])]
    low = [frame.at(k, max(float(drive.log10_p05[k]), frame.bottom)) for k in reversed(inside)]
    high = [frame.at(k, float(drive.log10_p95[k])) for k in inside]
    outline = "L".join([*high, *low])
    return element("path", class_="band", d=f"M{outline}Z" if outline else "")


def _marks(frame: Frame, drive: DriveTrace) -> Iterator[Element]:
    """The last lags at which a tenth, a hundredth, a thousandth is left, and the half-life."""
    roomy = frame.y(-1.0) - frame.y(0.0) >= ROOM
    for exponent, lag in enumerate(drive.decay.horizons, start=1):
        if lag is None or lag <= 0:
            continue
        x, y = frame.x(lag), frame.y(-float(exponent))
        yield element("circle", class_="horizon", cx=coordinate(x), cy=coordinate(y), r=4)
        if roomy or exponent == 3:
            yield _label(x, y, f"1e-{exponent} at {lag}", frame.width)
    half_life = drive.decay.half_life
    if half_life is not None and half_life <= frame.right:
        x = frame.x(half_life)
        foot = coordinate(frame.height)
        yield element("path", class_="half-life", d=f"M{coordinate(x)},{foot}l-5,-9h10Z")
        yield _label(x + 1, frame.height - 1, f"half-life {half_life:.4g}", frame.width)


def _label(x: float, y: float, words: str, width: float) -> Element:
    """To the right of a mark and above it, or to its left where the picture ends."""
    right = x < 0.72 * width
    return element(
        "text",
        words,
        x=coordinate(x + 7 if right else x - 7),
        y=coordinate(y - 5),
        text_anchor="start" if right else "end",
    )
