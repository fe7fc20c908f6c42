"""What truncation costs, and the gradient norms beside the value that would clip them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rnndiag.advice import ClippingAdvice, TruncationAdvice
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.measure.truncation import TruncationCurves
from rnndiag.plots.style import BLACK, BLUE, GREY, ORANGE, legend_below, panels
from rnndiag.readings.words import counted
from rnndiag.report import Report

MOST_VECTORS = 2_000
"""More points than these are an image inside an SVG or PDF, else it takes megabytes."""


def figure(report: Report) -> Figure:
    """A panel of the truncation's bias, and one of the gradient norms, where they are known.

    Raises RnndiagError (RD007) where there is neither.
    """
    drawings: dict[str, Callable[[Axes], None]] = {}
    for advice in (file.advice for file in report.files[:1] if file.advice is not None):
        truncation, clipping = advice.truncation, advice.clipping
        if truncation.curves is not None and not truncation.curves.is_zero:
            name = f"{truncation.layer or 'all layers'}: cost of truncation"
            drawings[name] = partial(_curves, truncation, truncation.curves)
        if any(norm > 0.0 for norm in clipping.norms):
            drawings["gradient norms and the clip value"] = partial(_norms, clipping)
    if not drawings:
        what = "there is neither a truncation curve nor a measured gradient norm to draw"
        raise RnndiagError(InputCode.USAGE, what, "leave --plot out; the table says why")
    drawn, grid = panels(report, list(drawings), "advice")
    for axes, draw in zip(grid, drawings.values(), strict=True):
        draw(axes)
        legend_below(axes)
    return drawn


def _curves(advice: TruncationAdvice, curves: TruncationCurves, axes: Axes) -> None:
    """Sliding windows and chunks, the bias aimed at, and what is advised."""
    steps = np.arange(1, curves.lags + 1)
    sliding, chunk = curves.sliding.bias, curves.chunk.bias
    axes.plot(steps, sliding, color=BLUE, label="window: every loss sees so many lags")
    axes.plot(steps, chunk, "--", color=ORANGE, label="chunk: detach every so many steps")
    axes.axhline(advice.bias, color=GREY, linewidth=0.9, label=f"bias aimed at: {advice.bias:g}")
    if advice.lags is not None and advice.lags <= curves.lags:
        label = f"advised: {counted(advice.lags, 'lag')}"
        axes.plot([advice.lags], [sliding[advice.lags - 1]], "o", color=BLUE, label=label)
    if advice.chunk is not None and advice.chunk <= curves.lags:
        label = f"advised: chunks of {advice.chunk}"
        axes.plot([advice.chunk], [chunk[advice.chunk - 1]], "s", color=ORANGE, label=label)
    # The bias that is aimed at stays in sight, where no other is above zero.
    lowest = max(1e-6, float(sliding[sliding > 0].min(initial=advice.bias)))
    highest = max(float(sliding.max()), float(chunk.max()), advice.bias)
    axes.set(yscale="log", xlim=(1, max(2, curves.lags)), ylim=(0.9 * lowest, 1.5 * highest))
    axes.set(xlabel="steps kept (K)", ylabel="relative bias of the gradient")


def _norms(advice: ClippingAdvice, axes: Axes) -> None:
    """Each step's norm, the value that is advised, and the one that the file holds."""
    norms = np.asarray(advice.norms)
    steps = np.arange(1, norms.size + 1)
    (points,) = axes.plot(steps, norms, ".", color=BLUE, markersize=4, alpha=0.6, label="one step")
    points.set_rasterized(norms.size > MOST_VECTORS)
    fires = "" if advice.fires is None else f", {advice.fires:.1%} of steps above"
    label = f"advised: {advice.max_norm:g}{fires}"
    axes.axhline(advice.max_norm, linestyle="--", color=ORANGE, label=label)
    present = advice.present
    if present is not None and present.algorithm == "norm" and present.value > 0.0:
        axes.axhline(present.value, linestyle=":", color=BLACK, label=f"now: {present.value:g}")
    axes.set(yscale="log", xlabel="measured step", ylabel="gradient norm before clipping")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
