"""The gradient against the lag, on a logarithmic scale."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rnndiag.measure.decay import LN10, LOG_SMALLEST_FLOAT16
from rnndiag.measure.drive_trace import DriveTrace
from rnndiag.measure.trace import LayerTrace
from rnndiag.plots.style import BLACK, BLUE, COLORS, DASHES, GREY, legend_below, limits_kept, panels
from rnndiag.report import Report


def figure(report: Report) -> Figure:
    """One panel a layer."""
    items = [item for file in report.files if file.result for item in file.result.layers]
    traced = [(item.layer.label, item.trace) for item in items if item.trace is not None]
    drawn, grid = panels(report, [label for label, _ in traced], "gradient through time")
    for axes, (_, trace) in zip(grid, traced, strict=False):
        _curves(axes, trace)
    return drawn


def _curves(axes: Axes, trace: LayerTrace) -> None:
    shown = trace.headline
    others = [drive for drive in trace.drives if drive is not shown]
    for drive, color, dash in zip(others, COLORS[1:], DASHES[1:], strict=False):
        label = f"h, {drive.drive}"
        curve = _finite(drive.log10_gradient_norm)
        axes.plot(curve, linestyle=dash, color=color, label=label)
    _headline(axes, shown)
    with limits_kept(axes):
        if trace.textbook_log10 is not None:
            label = "textbook: W_hh alone"
            axes.plot(_finite(trace.textbook_log10), ":", color=GREY, label=label)
        _marks(axes, shown)
    axes.set(xlabel="steps back from the loss (lag)", xlim=(0, trace.seq_len))
    axes.set_ylabel("log10 gradient norm, relative to the loss gradient")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_below(axes)


def _headline(axes: Axes, drive: DriveTrace) -> None:
    """The drive that is quoted, with the spread of its samples."""
    lags = np.arange(len(drive.log10_gradient_norm))
    low, high = _finite(drive.log10_p05), _finite(drive.log10_p95)
    axes.fill_between(lags, low, high, color=BLUE, alpha=0.15, linewidth=0)
    axes.plot(
        _finite(drive.log10_gradient_norm), color=BLUE, label=f"h, {drive.drive} (band: 90 %)"
    )
    if drive.log10_cell_gradient_norm is not None:
        cell = _finite(drive.log10_cell_gradient_norm)
        axes.plot(cell, "--", color=BLACK, linewidth=0.9, label=f"cell state, {drive.drive}")


def _marks(axes: Axes, drive: DriveTrace) -> None:
    """A thousandth and where it is last reached, the half-life, float16's smallest number."""
    decay = drive.decay
    horizon = decay.horizons[2]
    if horizon is not None and horizon > 0:
        axes.plot([horizon], [-3.0], "o", color=BLUE, label=f"a thousandth left until {horizon}")
    if drive.overflow_step is not None:
        _say(axes, f"the forward pass overflows at step {drive.overflow_step}")
    if drive.lost_lag is not None:
        _say(axes, f"nothing left from lag {drive.lost_lag} on")
    elif decay.half_life is not None:
        _say(axes, f"half-life {decay.half_life:.4g} steps")
    _level(axes, -3.0, "-", "a thousandth")
    _level(axes, LOG_SMALLEST_FLOAT16 / LN10, (0, (1, 3)), "float16 loses digits below")


def _say(axes: Axes, what: str) -> None:
    """A fact for the legend, without a line of its own."""
    axes.plot([], [], " ", label=what)


def _level(axes: Axes, height: float, dash: object, label: str) -> None:
    """A horizontal line, named only where the axes show it."""
    low, high = axes.get_ylim()
    if low <= height <= high:
        axes.axhline(height, color=GREY, linewidth=0.8, linestyle=dash, label=label)


def _finite(curve: np.ndarray) -> np.ndarray:
    """Exact zeros and overflows leave a gap."""
    return np.where(np.isfinite(curve), curve, np.nan)
