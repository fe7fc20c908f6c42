"""What truncation costs: the bias of the gradient against the number of steps kept."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnndiag.advice import TruncationAdvice
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.measure.truncation import TruncationCurves
from rnndiag.plots.style import BLUE, GREY, ORANGE, legend_below, panels
from rnndiag.report import Report


def figure(report: Report) -> Figure:
    """One panel: sliding windows and chunks, the bias aimed at, and what is advised.

    Raises RnndiagError (RD007) where the file gave no curve to draw.
    """
    advices = [file.advice.truncation for file in report.files if file.advice is not None]
    advice = advices[0] if advices else None
    if advice is None or advice.curves is None or advice.curves.is_zero:
        what = "there is no truncation curve to draw"
        raise RnndiagError(InputCode.USAGE, what, "leave --plot out; the table says why")
    drawn, (axes,) = panels(report, [advice.layer or "all layers"], "cost of truncation")
    _curves(axes, advice, advice.curves)
    return drawn


def _curves(axes: Axes, advice: TruncationAdvice, curves: TruncationCurves) -> None:
    steps = np.arange(1, curves.lags + 1)
    sliding, chunk = curves.sliding.bias, curves.chunk.bias
    axes.plot(steps, sliding, color=BLUE, label="window: every loss sees so many lags")
    axes.plot(steps, chunk, "--", color=ORANGE, label="chunk: detach every so many steps")
    axes.axhline(advice.bias, color=GREY, linewidth=0.9, label=f"bias aimed at: {advice.bias:g}")
    if advice.lags is not None and advice.lags <= curves.lags:
        label = f"advised: {advice.lags} lags"
        axes.plot([advice.lags], [sliding[advice.lags - 1]], "o", color=BLUE, label=label)
    if advice.chunk is not None and advice.chunk <= curves.lags:
        label = f"advised: chunks of {advice.chunk}"
        axes.plot([advice.chunk], [chunk[advice.chunk - 1]], "s", color=ORANGE, label=label)
    axes.set(
        yscale="log", xlim=(1, curves.lags), ylim=(max(1e-6, sliding[sliding > 0].min()), None)
    )
    axes.set(xlabel="steps kept", ylabel="relative bias of the gradient")
    legend_below(axes)
