"""The gradients of several files in one picture: a run's epochs, compared at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnndiag.analysis import LayerResult
from rnndiag.measure.drive_trace import DriveTrace
from rnndiag.render.html.curves import against_lag, curve_line, frame_around
from rnndiag.render.html.element import Element, element
from rnndiag.render.html.parts import sample
from rnndiag.render.html.sampling import Sampling
from rnndiag.report import FileReport, Report

MOST = 5
"""Lines that colours and dashes tell apart."""


@dataclass(frozen=True)
class _Line:
    path: str
    item: LayerResult
    drive: DriveTrace


def longest(file: FileReport) -> tuple[LayerResult, DriveTrace] | None:
    """The layer whose gradient lasts longest, with the deciding drive that keeps it longest."""
    layers = file.result.layers if file.result is not None else ()
    quoted = [(item, item.trace.headline) for item in layers if item.trace is not None]
    return max(quoted, key=lambda pair: float(pair[1].log10_gradient_norm[-1]), default=None)


def beside(report: Report, sampling: Sampling) -> Element | None:
    """One line a file; None where fewer than two could be traced."""
    found = [(file.path, longest(file)) for file in report.files]
    lines = [_Line(path, *pair) for path, pair in found if pair is not None]
    if len(lines) < 2:
        return None
    shown = lines[:MOST]
    left_out = f" (the first {MOST} of {len(lines)})" if len(lines) > MOST else ""
    keys = [element("li", _sample(place), _key(line)) for place, line in enumerate(shown)]
    caption = f"The gradient that lasts longest in each file{left_out}, with its layer and input."
    return element(
        "figure",
        element("figcaption", caption),
        _picture(shown, sampling),
        element("ul", keys, class_="legend"),
        class_="beside",
    )


def _picture(lines: Sequence[_Line], sampling: Sampling) -> Element:
    steps = max(len(line.drive.log10_gradient_norm) for line in lines) - 1
    frame = frame_around([line.drive.log10_gradient_norm for line in lines], steps)
    drawn = [
        element(
            "g",
            element(
                "path",
                class_="hidden-state",
                d=curve_line(frame, line.drive.log10_gradient_norm, sampling.lags(line.item)),
            ),
            class_=f"drive colour-{place} chosen",
        )
        for place, line in enumerate(lines)
    ]
    return against_lag(
        frame,
        "Gradient norm against the lag, file by file",
        "The table above has the numbers.",
        drawn,
        class_="together",
    )


def _key(line: _Line) -> str:
    """File, layer and input; and why a line cannot be seen that is zero at once."""
    gone = not np.isfinite(line.drive.log10_gradient_norm[1:]).any()
    said = f" {line.path}: {line.item.layer.label}, {line.drive.drive} input"
    return f"{said} (zero from the first step back on)" if gone else said


def _sample(place: int) -> Element:
    return element("span", sample("hidden-state"), class_=f"drive colour-{place} chosen")
