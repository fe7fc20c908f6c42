"""Changes worth making, in words, each with its code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from rnndiag.advice import Advice, Change
from rnndiag.render.table.parts import bullets, code

SHOWN_LAYERS = 3
"""Layers named for one change; JSON has all of them."""


def show(advice: Advice) -> Iterator[RenderableType]:
    """Nothing for a healthy network."""
    if advice.changes:
        yield Text("\nChanges worth making:", style="bold")
    for change in advice.changes:
        yield bullets([_sentences(change)])
        yield from code(change.code)


def _sentences(change: Change) -> str:
    what = f"{change.what[:1].upper()}{change.what[1:]}"
    where = _layers(change.layers)
    return f"{what}. Why: {change.because}. Where: {where}. Source: {change.source}."


def _layers(labels: Sequence[str]) -> str:
    more = len(labels) - SHOWN_LAYERS
    listed = ", ".join(labels[:SHOWN_LAYERS])
    return f"{listed} and {more} more" if more > 0 else listed
