"""The complex plane: eigenvalues of W_hh and of the step Jacobian, the unit circle."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from rnndiag.measure.eigenvalues import ComplexArray
from rnndiag.measure.spectrum import Spectrum
from rnndiag.plots.style import BLACK, BLUE, GREY, ORANGE, legend_below, panels
from rnndiag.report import Report


def figure(report: Report) -> Figure:
    """One panel a layer, axes to scale."""
    items = [item for file in report.files if file.result for item in file.result.layers]
    measured = [(item.layer.label, item.spectrum) for item in items if item.spectrum is not None]
    drawn, grid = panels(report, [label for label, _ in measured], "eigenvalues, unit circle")
    for axes, (_, spectrum) in zip(grid, measured, strict=False):
        _plane(axes, spectrum)
    return drawn


def _plane(axes: Axes, spectrum: Spectrum) -> None:
    axes.add_patch(Circle((0, 0), 1.0, fill=False, color=BLACK, linewidth=1.0))
    shown = [np.array([1.15 + 0j])]
    own = spectrum.blocks[0].eigenvalues
    if own is not None:
        gain = spectrum.blocks[0].gain
        disc = Circle((0, 0), gain, color=GREY, alpha=0.15, linewidth=0)
        disc.set_label("where those of a random W_hh lie")
        axes.add_patch(disc)
        _points(axes, own, "W_hh", "o", BLUE)
        shown += [own, np.array([gain + 0j])]
    jacobian = spectrum.settling.jacobian
    if jacobian.eigenvalues.size:
        where = "at h = 0" if jacobian.at == "origin" else "at the fixed point"
        _points(axes, jacobian.eigenvalues, f"step Jacobian {where}", "x", ORANGE)
        shown.append(jacobian.eigenvalues)
    limit = 1.05 * max(float(np.abs(values).max()) for values in shown)
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    axes.set(xlabel="real part", ylabel="imaginary part")
    axes.ticklabel_format(scilimits=(-3, 4))
    legend_below(axes, columns=1)


def _points(axes: Axes, values: ComplexArray, what: str, marker: str, color: str) -> None:
    radius = float(np.abs(values[0]))
    axes.plot(
        values.real,
        values.imag,
        linestyle="none",
        marker=marker,
        markersize=4,
        markerfacecolor="none",
        color=color,
        label=f"{what}, largest {radius:.4g}",
    )
