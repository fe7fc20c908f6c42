"""Pictures in files, drawn by matplotlib: one file per command, loaded when it is asked for."""

from __future__ import annotations

import importlib
from pathlib import PurePath
from typing import TYPE_CHECKING

from rnndiag.errors import InputCode, RnndiagError

if TYPE_CHECKING:
    from rnndiag.report import Command, Report

PLOTS: dict[Command, str] = {
    "spectrum": "rnndiag.plots.spectrum",
    "bptt-trace": "rnndiag.plots.trace",
    "suggest": "rnndiag.plots.suggest",
    "diff": "rnndiag.plots.diff",
}
"""The module whose `figure` draws a command's report."""

FORMATS = ("png", "svg", "pdf")
"""By the ending of the file's name."""


def require_plot(command: Command, path: str) -> None:
    """Raise RnndiagError (RD007) where no picture can be made, before anything is measured."""
    if command not in PLOTS:
        raise RnndiagError(
            InputCode.USAGE, f"{command} has no picture", f"--plot goes with {', '.join(PLOTS)}"
        )
    if _format(path) not in FORMATS:
        raise RnndiagError(
            InputCode.USAGE, f"--plot {path} is no picture", f"end it in {', '.join(FORMATS)}"
        )
    try:
        importlib.import_module("matplotlib")
    except ImportError as error:
        what = f"--plot needs matplotlib, which cannot be loaded: {error}"
        raise RnndiagError(InputCode.USAGE, what, 'pip install "rnndiag[plot]"') from error


def draw(report: Report, path: str) -> bytes:
    """The picture of a report, in the format that the path's ending names.

    The same bytes for the same report and matplotlib: no date, no random identifiers.
    """
    from rnndiag.plots.style import save, styled

    with styled():
        figure = importlib.import_module(PLOTS[report.command]).figure(report)
        return save(figure, _format(path))


def _format(path: str) -> str:
    return PurePath(path).suffix.removeprefix(".").lower()
