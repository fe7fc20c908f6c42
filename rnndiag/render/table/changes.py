"""Changes worth making, in words, each with its code."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from rnndiag.advice import Advice, Change
from rnndiag.readings.words import listed
from rnndiag.render.table.parts import bullets, code


def show(advice: Advice) -> Iterator[RenderableType]:
    """Nothing for a healthy network."""
    if advice.changes:
        yield Text("\nChanges worth making:", style="bold")
    for change in advice.changes:
        yield bullets([sentences(change)])
        yield from code(change.code)


def sentences(change: Change) -> str:
    """What to change, why, where, and who says so."""
    what = f"{change.what[:1].upper()}{change.what[1:]}"
    where = listed(change.layers)
    return f"{what}. Why: {change.because}. Where: {where}. Source: {change.source}."
