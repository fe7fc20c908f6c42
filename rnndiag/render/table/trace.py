"""The tables of `bptt-trace`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from rnndiag.analysis import FileResult, LayerResult
from rnndiag.cells.base import FloatArray
from rnndiag.escape import printable
from rnndiag.measure.decay import Decay
from rnndiag.measure.drive_trace import DriveTrace
from rnndiag.measure.trace import LayerTrace
from rnndiag.readings.trace import read_trace
from rnndiag.readings.words import counted
from rnndiag.render.base import Screen, short
from rnndiag.render.pictures import gradient_curve
from rnndiag.render.table.names import LayerName
from rnndiag.render.table.parts import (
    DETAILED_LAYERS,
    VERDICT_STYLES,
    bullets,
    cell_name,
    heading,
    picture,
    table,
)
from rnndiag.rounding import power_of_ten

LEGEND = (
    "rate: slope of ln(gradient) per step back; half-life in steps; to 1e-3: last step back with "
    "a thousandth of the gradient left; growth: largest at any step; all relative to the loss "
    "gradient at lag 0"
)


def show(result: FileResult, screen: Screen) -> Iterator[RenderableType]:
    """Everything for a few layers, one row a layer for many."""
    yield Text(setting(result))
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


def setting(result: FileResult) -> str:
    """What was traced, over how many steps, and who said so."""
    whose = {"given": "", "default": " (default)"}.get(
        result.seq_len_source, f" (from {printable(result.seq_len_source)} in the file)"
    )
    return f"gradient of a loss at the last of {counted(result.seq_len or 0, 'step')}{whose}"


def _details(item: LayerResult, trace: LayerTrace, screen: Screen) -> Iterator[RenderableType]:
    yield heading(item.layer)
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
            rate(decay),
            short(decay.half_life),
            horizon(decay.horizons[2], drive),
            power_of_ten(decay.growth_log10),
        )
    if not all(drive.deciding for drive in trace.drives):
        made.caption = "* shown, but not deciding: the verdict rests on the other input"
        made.caption_justify = "left"
    return made


def rate(decay: Decay) -> str:
    """The rate with half of its interval, which is symmetric."""
    if decay.rate_ci95 is None:
        return short(decay.rate_per_step)
    low, high = decay.rate_ci95
    return f"{short(decay.rate_per_step)} ± {(high - low) / 2:.2g}"


def horizon(lag: int | None, drive: DriveTrace) -> str:
    """The last lag above a threshold, or a bound where there is none."""
    if lag is None:
        return f"> {len(drive.log10_gradient_norm) - 1}"
    return "none" if lag < 0 else str(lag)


def _lags(trace: LayerTrace) -> RenderableType:
    cells = [d for d in trace.drives if d.log10_cell_gradient_norm is not None]
    shown = trace.headline
    headers = ["steps back", *(f"{drive.drive}" for drive in trace.drives)]
    if cells:
        headers.append(f"cell state,\n{shown.drive}")
    if trace.textbook_log10 is not None:
        headers.append("textbook\nW_hh")
    made = table(*headers)
    for lag in shown_lags(trace):
        row = [at_lag(drive.log10_gradient_norm, lag) for drive in trace.drives]
        if shown.log10_cell_gradient_norm is not None:
            row.append(at_lag(shown.log10_cell_gradient_norm, lag))
        if trace.textbook_log10 is not None:
            row.append(at_lag(trace.textbook_log10, lag))
        made.add_row(str(lag), *row)
    return made


def at_lag(curve: FloatArray, lag: int) -> str:
    """The value of a logarithmic curve, which an overflow ends early."""
    return power_of_ten(float(curve[lag])) if lag < len(curve) else "overflow"


def shown_lags(trace: LayerTrace) -> list[int]:
    """1, 2, 5 times powers of ten, and both ends."""
    steps = trace.seq_len
    round_lags = [m * 10**e for e in range(9) for m in (1, 2, 5) if m * 10**e < steps]
    return [0, *round_lags, steps]


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
