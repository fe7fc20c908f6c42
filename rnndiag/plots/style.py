"""What all pictures have in common: colours, sizes, panels, and how they become bytes."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import PurePath

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnndiag.errors import InputCode, RnndiagError
from rnndiag.escape import printable
from rnndiag.report import Report

BLUE, ORANGE, GREEN, PURPLE, BLACK = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000"
"""Of Okabe and Ito (2008): told apart with any kind of colour blindness; dashes repeat them."""

GREY = "#767676"

COLORS = (BLUE, ORANGE, GREEN, PURPLE, BLACK)
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))

MOST_PANELS = 12
"""More would be too small to read: the first ones are drawn, and the title says so."""

MOST_NAMES = 4
"""More lines of files' names would take a title's place from the pictures."""

LONGEST_NAME = 50
"""Characters of the title's size that fit above a panel."""

PANEL_INCHES = (5.0, 4.6)


def styled() -> AbstractContextManager[None]:
    """Readable on screen and in print; text in an SVG stays text, and is the same every time."""
    return mpl.rc_context(
        {
            "font.size": 9,
            "axes.titlesize": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#DDDDDD",
            "grid.linewidth": 0.6,
            "legend.frameon": False,
            "legend.fontsize": 8,
            "lines.linewidth": 1.4,
            "svg.fonttype": "none",
            "svg.hashsalt": "rnndiag",
            "figure.dpi": 130,
        }
    )


def panels(report: Report, names: Sequence[str], what: str) -> tuple[Figure, list[Axes]]:
    """One panel a name, in a grid; the title says what they show and of which file.

    Raises RnndiagError (RD007) where there is no name: nothing was measured.
    """
    if not names:
        what = "--plot: there is nothing to draw, since no layer was measured"
        raise RnndiagError(InputCode.USAGE, what, "leave it out; the report says why")
    shown = names[:MOST_PANELS]
    columns = min(len(shown), 1 if len(shown) == 1 else 2 if len(shown) <= 4 else 3)
    rows = math.ceil(len(shown) / columns)
    width, height = PANEL_INCHES
    figure = Figure(figsize=(width * columns, height * rows + 0.5), layout="constrained")
    left_out = "" if len(shown) == len(names) else f" (first {len(shown)} of {len(names)} layers)"
    figure.suptitle(f"{what}{left_out}\n{_files(report)}", fontsize=10, parse_math=False)
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes in grid[len(shown) :]:
        axes.set_visible(False)
    for axes, name in zip(grid, shown, strict=False):
        title = axes.set_title(shortened(name), loc="left", fontweight="bold", parse_math=False)
        title.set_in_layout(False)
    return figure, list(grid[: len(shown)])


def shortened(name: str) -> str:
    """A name that fits above one panel: its end says more than its beginning.

    >>> shortened("rnn/0/forward"), len(shortened("x" * 100))
    ('rnn/0/forward', 50)
    """
    shown = printable(name)
    return shown if len(shown) <= LONGEST_NAME else f"…{shown[1 - LONGEST_NAME :]}"


def _files(report: Report) -> str:
    """The file's name, or of several the numbered ones; of many the first and the last."""
    names = [shortened(PurePath(file.path).name) for file in report.files]
    if len(names) == 1:
        return names[0]
    numbered = [f"{place}: {name}" for place, name in enumerate(names, start=1)]
    return "\n".join(numbered if len(names) <= MOST_NAMES else [numbered[0], "…", numbered[-1]])


def legend_below(axes: Axes, columns: int = 2) -> None:
    """What is drawn, under the axes: beside them it would take half of the panel."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=columns)


def save(figure: Figure, kind: str) -> bytes:
    """As PNG, SVG or PDF, without a date."""
    out = io.BytesIO()
    dated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    figure.savefig(out, format=kind, metadata=dated)
    return out.getvalue()


@contextlib.contextmanager
def limits_kept(axes: Axes) -> Iterator[None]:
    """Draw a line for the eye without letting it move what the axes show."""
    limits = axes.get_xlim(), axes.get_ylim()
    yield
    axes.set_xlim(limits[0])
    axes.set_ylim(limits[1])
