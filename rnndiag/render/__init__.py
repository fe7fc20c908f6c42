"""From a report to text. One file, or folder, per format, loaded when it is asked for."""

from __future__ import annotations

import importlib

from rnndiag.render.base import Renderer, Screen

__all__ = ["FORMATS", "Screen", "renderer"]

FORMATS: dict[str, str] = {
    "table": "rnndiag.render.table",
    "concise": "rnndiag.render.concise",
    "json": "rnndiag.render.json",
}
"""The module of every output format, by the name that --format takes."""


def renderer(name: str) -> Renderer:
    """The function that renders one format; KeyError for a name that is not in FORMATS."""
    made: Renderer = importlib.import_module(FORMATS[name]).render
    return made
