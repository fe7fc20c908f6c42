"""One self-contained page to open or send; it loads nothing and works without its script."""

from __future__ import annotations

from rnndiag.render.base import Screen
from rnndiag.report import Report


def render(report: Report, _: Screen) -> str:
    """The page, the same bytes for the same report."""
    from rnndiag.render.html.page import page

    return f"<!DOCTYPE html>\n{page(report).write()}\n"
