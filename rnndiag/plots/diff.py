"""Measures of a model over its checkpoints."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnndiag.comparison import LayerComparison
from rnndiag.plots.style import COLORS, DASHES, panels, shortened
from rnndiag.report import Report

SHOWN = ("half_life", "rate_per_step", "spectral_norm", "jacobian_radius")
"""What tells most of a run at a glance; the table has the rest."""

MOST_LAYERS = len(COLORS)


def figure(report: Report) -> Figure:
    """One panel a measure, one line a layer."""
    layers = report.comparison[:MOST_LAYERS]
    measures = {row.measure.key: row.measure for layer in layers for row in layer.rows}
    keys = [key for key in SHOWN if key in measures]
    count = len(report.comparison)
    left_out = "" if count == len(layers) else f" (first {len(layers)} of {count} layers)"
    what = f"over the checkpoints{left_out}"
    drawn, grid = panels(report, [measures[key].title for key in keys], what)
    for axes, key in zip(grid, keys, strict=True):
        for layer, color, dash in zip(layers, COLORS, DASHES, strict=False):
            _line(axes, layer, key, color, dash)
        axes.set(xlabel="checkpoint, in the order given", xticks=range(1, len(report.files) + 1))
    drawn.legend(handles=grid[0].get_lines(), loc="outside lower center")
    return drawn


def _line(axes: Axes, layer: LayerComparison, key: str, color: str, dash: object) -> None:
    values = next((row.values for row in layer.rows if row.measure.key == key), ())
    numbers = [np.nan if value is None else float(value) for value in values]
    places = range(1, len(numbers) + 1)
    label = shortened(layer.label).replace("$", r"\$")
    axes.plot(places, numbers, linestyle=dash, marker="o", markersize=3, color=color, label=label)
