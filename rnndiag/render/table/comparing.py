"""The tables of `diff`."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from rnndiag.comparison import LayerComparison, Row, Value
from rnndiag.escape import printable
from rnndiag.render.base import Screen, short
from rnndiag.render.sparkline import sparkline
from rnndiag.render.table.parts import bullets, table
from rnndiag.report import FileReport, Report

SIDE_BY_SIDE = 3
"""Files whose values fit beside each other; of more, the first, the last and the trend."""


def show(report: Report, screen: Screen) -> Iterator[RenderableType]:
    """What the files are, and one table a layer."""
    yield _files(report)
    for layer in report.comparison:
        yield Text.assemble("\n", (printable(layer.label), "bold"), _drive(layer))
        yield _layer(layer, screen)
        missing = [place for place, label in enumerate(layer.labels, 1) if label is None]
        yield bullets(f"not in file {place}" for place in missing)


def _files(report: Report) -> RenderableType:
    """The files by number, and what each says of its training."""
    made = Table.grid(padding=(0, 1))
    made.add_column(justify="right")
    made.add_column(overflow="fold")
    for place, file in enumerate(report.files, 1):
        made.add_row(str(place), Text(printable(file.path) + _training(file)))
    return made


def _training(file: FileReport) -> str:
    state = None if file.result is None else file.result.training_state
    if state is None:
        return ""
    step = "" if state.step is None else f", step {state.step}"
    norm = state.gradient_rms_norm
    return f" ({state.optimizer}{step}{'' if norm is None else f', gradient norm {norm:.4g}'})"


def _drive(layer: LayerComparison) -> str:
    return f"  gradients under {layer.drive} input" if layer.drive else ""


def _layer(layer: LayerComparison, screen: Screen) -> RenderableType:
    count = len(layer.labels)
    if count <= SIDE_BY_SIDE:
        made = table("measure", *map(str, range(1, count + 1)), "change", left=("measure",))
        for row in layer.rows:
            made.add_row(row.measure.title, *map(_shown, row.values), _change(row))
        return made
    made = table("measure", "first", "last", "change", "trend", left=("measure", "trend"))
    for row in layer.rows:
        ends = (_shown(row.values[0]), _shown(row.values[-1]))
        made.add_row(row.measure.title, *ends, _change(row), sparkline(row.values, screen.unicode))
    return made


def _shown(value: Value) -> str:
    return str(value) if isinstance(value, int) else short(value)


def _change(row: Row) -> str:
    """In percent where that says more than the difference."""
    if row.change is None:
        return "-"
    if not row.change:
        return "none"
    relative = row.relative_change
    return f"{row.change:+.3g}" if relative is None else f"{100 * relative:+.3g} %"
