"""The numbers beside the gradient curves."""

from __future__ import annotations

from rnndiag.measure.drive_trace import DriveTrace
from rnndiag.measure.trace import LayerTrace
from rnndiag.render.base import number
from rnndiag.render.html.element import Child, Element, element
from rnndiag.render.html.parts import chip, table
from rnndiag.render.shared.trace import at_lag, horizon, shown_lags
from rnndiag.rounding import power_of_ten

HEADERS = (
    *("input", "verdict", "rate (nats a step)", "95 % interval", "half-life (steps)"),
    *("to 1e-1", "to 1e-2", "to 1e-3", "growth"),
)


def drives_table(trace: LayerTrace) -> Element:
    """One row an input, and which of them decide."""
    made = table("Gradient by input", HEADERS, [_row(drive) for drive in trace.drives])
    starred = not all(drive.deciding for drive in trace.drives)
    return element("div", made, element("p", LEGEND, STARRED if starred else None, class_="quiet"))


LEGEND = (
    "Rate: slope of the logarithm; negative where the gradient decays. To 1e-3: the last step back "
    "with a thousandth of the gradient left. Growth: the largest of all steps, 1 at the loss. "
)
STARRED = "* Shown, but not deciding: the verdict rests on the other input."


def _row(drive: DriveTrace) -> list[Child]:
    decay = drive.decay
    interval = "-" if decay.rate_ci95 is None else " to ".join(map(number, decay.rate_ci95))
    return [
        drive.drive + ("" if drive.deciding else " *"),
        chip(drive.verdict),
        number(decay.rate_per_step),
        interval,
        number(decay.half_life),
        *(horizon(lag, drive) for lag in decay.horizons),
        power_of_ten(decay.growth_log10),
    ]


def lags_table(trace: LayerTrace) -> Element:
    """The gradient at lags 1, 2, 5, 10 and so on, under every input."""
    shown = trace.headline
    columns = [(drive.drive, drive.log10_gradient_norm) for drive in trace.drives]
    if shown.log10_cell_gradient_norm is not None:
        columns.append((f"cell state, {shown.drive}", shown.log10_cell_gradient_norm))
    if trace.textbook_log10 is not None:
        columns.append(("textbook W_hh", trace.textbook_log10))
    rows = [[str(lag), *(at_lag(curve, lag) for _, curve in columns)] for lag in shown_lags(trace)]
    return table("Gradient left, 1 at the loss", ["steps back", *(n for n, _ in columns)], rows)
