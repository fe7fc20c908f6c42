"""The tables of `bptt-trace`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from rnndiag.analysis import FileResult, LayerResult
from rnndiag.measure.decay import Decay
from rnndiag.measure.trace import LayerTrace
from rnndiag.readings.basis import basis
from rnndiag.readings.trace import read_trace
from rnndiag.render.base import Screen, short
from rnndiag.render.pictures import gradient_curve
from rnndiag.render.shared.layers import cell_name
from rnndiag.render.shared.trace import at_lag, horizon, setting, shown_lags
from rnndiag.render.table.names import LayerName
from rnndiag.render.table.parts import (
    DETAILED_LAYERS,
    VERDICT_STYLES,
    bullets,
    heading,
    picture,
    said_of_length,
    table,
)
from rnndiag.rounding import power_of_ten

LEGEND = (
    "rate: slope of ln(gradient) per step back; half-life in steps; to 1e-3: last step back with "
    "a thousandth of the gradient left; growth: largest at any step, relative to lag 0"
)


def show(result: FileResult, screen: Screen) -> Iterator[RenderableType]:
    """Everything for a few layers, one row a layer for many."""
    yield Text(setting(result))
    yield from said_of_length(result)
    traced = [item for item in result.layers if item.trace is not None]
    if len(traced) > DETAILED_LAYERS:
        yield _overview(traced)
        yield bullets(["name layers for curves, lags and readings: --layer NAME"])
    else:
        for item in traced:
            if item.trace is not None:
                yield from _details(item, item.trace, screen)
    missing = [item for item in result.layers if item.trace is None]
    yield bullets(f"{item.layer.label}: not traced: {item.not_measured}" for item in missing)


def _details(item: LayerResult, trace: LayerTrace, screen: Screen) -> Iterator[RenderableType]:
    yield heading(item.layer)
    yield Text.assemble(_verdict(trace.verdict), f" {basis(trace)}")
    yield _drives(trace)
    yield Text(LEGEND, style="dim")
    yield _lags(trace)
    shown = trace.headline
    curve = gradient_curve(
        shown.log10_gradient_norm, trace.textbook_log10, screen.unicode, min(60, screen.width - 15)
    )
    yield picture([f"under {shown.drive} input", *curve])
    yield bullets(read_trace(trace))


def _drives(trace: LayerTrace) -> RenderableType:
    made = table(
        *("input", "verdict", "rate/step (95 %)", "half-life", "to 1e-3", "growth"),
        left=("input", "verdict"),
    )
    for drive in trace.drives:
        decay = drive.decay
        made.add_row(
            drive.drive + ("" if drive.deciding else " *"),
            _verdict(drive.verdict),
            _rate(decay),
            short(decay.half_life),
            horizon(decay.horizons[2], drive),
            power_of_ten(decay.growth_log10),
        )
    if not all(drive.deciding for drive in trace.drives):
        made.caption = "* shown, but not deciding: the verdict rests on the other input"
        made.caption_justify = "left"
    return made


def _rate(decay: Decay) -> str:
    """The rate with half of its interval, which is symmetric."""
    if decay.rate_ci95 is None:
        return short(decay.rate_per_step)
    low, high = decay.rate_ci95
    return f"{short(decay.rate_per_step)} ± {(high - low) / 2:.2g}"


LAG_COLUMNS = 5
"""Inputs side by side in 80 columns, with the cell state or the textbook beside them."""


def _lags(trace: LayerTrace) -> RenderableType:
    shown = trace.headline
    # Those that decide, and as many more as there is room for.
    drives = sorted(trace.drives, key=lambda drive: not drive.deciding)[:LAG_COLUMNS]
    columns = [(drive.drive, drive.log10_gradient_norm) for drive in drives]
    if shown.log10_cell_gradient_norm is not None:
        columns.append((f"cell state,\n{shown.drive}", shown.log10_cell_gradient_norm))
    if trace.textbook_log10 is not None:
        columns.append(("textbook\nW_hh", trace.textbook_log10))
    made = table("steps back", *(header for header, _ in columns))
    for lag in shown_lags(trace):
        made.add_row(str(lag), *(at_lag(curve, lag) for _, curve in columns))
    return made


def _overview(layers: Sequence[LayerResult]) -> RenderableType:
    made = table(
        *("layer", "cell", "verdict", "longest\nunder", "half-life", "to 1e-3", "growth"),
        left=("layer", "cell", "verdict", "longest\nunder"),
    )
    for item in layers:
        if item.trace is None:
            continue
        drive = item.trace.headline
        made.add_row(
            LayerName(item.layer.label),
            cell_name(item.layer),
            _verdict(item.trace.verdict),
            drive.drive,
            short(drive.decay.half_life),
            horizon(drive.decay.horizons[2], drive),
            power_of_ten(drive.decay.growth_log10),
        )
    return made


def _verdict(word: str) -> Text:
    return Text(word, style=VERDICT_STYLES[word])
