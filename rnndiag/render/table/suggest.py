"""The tables of `suggest`."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from rnndiag.advice import Advice
from rnndiag.advice.snippets import FRAMEWORKS
from rnndiag.analysis import FileResult
from rnndiag.escape import printable
from rnndiag.render.shared import clipping as clipping_part
from rnndiag.render.shared.trace import setting
from rnndiag.render.shared.truncation import read_truncation, truncation_rows
from rnndiag.render.table import changes
from rnndiag.render.table.parts import bullets, code, said_of_length, table


def show(advice: Advice, result: FileResult) -> Iterator[RenderableType]:
    """The two values, what they rest on, changes worth making, and code to paste."""
    yield Text(setting(result))
    yield from said_of_length(result)
    yield _values(advice)
    yield bullets([*clipping_part.sentences(advice.clipping), *read_truncation(advice.truncation)])
    yield from changes.show(advice)
    for name, text in advice.snippets.items():
        yield Text(f"\n{FRAMEWORKS[name].title}, to paste:", style="bold")
        yield from code(text)


def _values(advice: Advice) -> RenderableType:
    clipping, truncation = advice.clipping, advice.truncation
    made = table("what", "value", "basis", left=("what", "value", "basis"))
    made.add_row(
        "clip by norm", f"max_norm = {clipping.max_norm:g}", clipping_part.BASIS[clipping.basis]
    )
    for row in truncation_rows(truncation):
        made.add_row(*(Text(printable(cell)) for cell in row))
    return made
