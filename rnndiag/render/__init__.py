"""From a report to text. One file, or folder, per format, loaded when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from rnndiag.render.base import Renderer, Screen

__all__ = ["COMMANDS", "FORMATS", "Format", "Screen", "renderer"]

COMMANDS = ("inspect", "spectrum", "bptt-trace", "suggest", "check", "diff", "report")
"""Every command that has a report."""

TEXT = COMMANDS[:-1]
"""Those that answer one question in text; `report` answers all of them on a page."""


@dataclass(frozen=True)
class Format:
    """An output format: where it lives, and what it is for."""

    module: str
    """Has a function `render`, from a report and a screen to text."""

    commands: tuple[str, ...] = TEXT
    """Those that offer it; a command's first is what it gives where the stream does not decide."""

    measures: bool = False
    """Whether it shows curves and eigenvalues of the files of a gate, too."""

    appended: Mapping[str, str] = field(default_factory=dict)
    """Formats whose text is put at the end of the file that an environment variable names."""


FORMATS: dict[str, Format] = {
    "table": Format("rnndiag.render.table"),
    "concise": Format("rnndiag.render.concise"),
    "html": Format("rnndiag.render.html", commands=("report",), measures=True),
    "json": Format("rnndiag.render.json", commands=COMMANDS, measures=True),
    "markdown": Format("rnndiag.render.markdown"),
    "csv": Format("rnndiag.render.csv", commands=("bptt-trace",)),
    "sarif": Format("rnndiag.render.sarif", commands=("check",)),
    "github": Format(
        "rnndiag.render.github",
        commands=("check",),
        appended={"GITHUB_STEP_SUMMARY": "markdown"},
    ),
    "junit": Format("rnndiag.render.junit", commands=("check",)),
}
"""Every output format, by the name that --format takes."""


def renderer(name: str) -> Renderer:
    """The function that renders one format; KeyError for a name that is not in FORMATS."""
    made: Renderer = importlib.import_module(FORMATS[name].module).render
    return made
