"""Traces for spreadsheets and data frames: one row for each layer, direction, drive and lag."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from rnndiag.analysis import LayerResult
from rnndiag.cells.base import FloatArray
from rnndiag.escape import printable
from rnndiag.measure.drive_trace import DriveTrace
from rnndiag.render.base import Screen
from rnndiag.report import Report

COLUMNS = (
    "path",
    "name",
    "layer",
    "direction",
    "basis",
    "length_basis",
    "drive",
    "lag",
    "log10_gradient_norm",
    "log10_cell_gradient_norm",
    "log10_p05",
    "log10_p95",
    "parameter_gradient_share",
    "textbook_log10",
)
"""Named as in JSON. Empty where a measure does not reach a lag, or a layer has no such measure."""

FORMULA = ("=", "+", "-", "@")
"""What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection)."""


def render(report: Report, _: Screen) -> str:
    """A header, then the rows; twelve significant digits, infinities as -inf and inf."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for file in report.files:
        for item in file.result.layers if file.result is not None else ():
            writer.writerows(_rows(file.path, item))
    return out.getvalue()


def _rows(path: str, item: LayerResult) -> Iterator[list[str]]:
    if item.trace is None:
        return
    layer, textbook = item.layer, item.trace.textbook_log10
    whose = [
        *(_name(path), _name(layer.name), str(layer.layer), layer.direction),
        *(item.trace.basis, item.trace.length_basis),
    ]
    for drive in item.trace.drives:
        for lag in range(len(drive.log10_gradient_norm)):
            curves = (*_curves(drive), textbook)
            yield [*whose, drive.drive, str(lag), *(_at(curve, lag) for curve in curves)]


def _curves(drive: DriveTrace) -> tuple[FloatArray | None, ...]:
    return (
        drive.log10_gradient_norm,
        drive.log10_cell_gradient_norm,
        drive.log10_p05,
        drive.log10_p95,
        drive.parameter_gradient_share,
    )


def _at(curve: FloatArray | None, lag: int) -> str:
    return "" if curve is None or lag >= len(curve) else f"{curve[lag]:.12g}"


def _name(text: str) -> str:
    """Harmless, and no formula.

    >>> _name("=1+2"), _name("encoder"), _name("-")
    ("'=1+2", 'encoder', '-')
    """
    plain = printable(text)
    return f"'{plain}" if plain.startswith(FORMULA) and len(plain) > 1 else plain
