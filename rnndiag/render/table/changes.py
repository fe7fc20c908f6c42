"""Changes worth making, in words, each with its code."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from rnndiag.advice import Advice
from rnndiag.render.shared.changes import sentence
from rnndiag.render.table.parts import bullets, code


def show(advice: Advice) -> Iterator[RenderableType]:
    """Nothing for a healthy network."""
    if advice.changes:
        yield Text("\nChanges worth making:", style="bold")
    for change in advice.changes:
        yield bullets([sentence(change)])
        yield from code(change.code)
