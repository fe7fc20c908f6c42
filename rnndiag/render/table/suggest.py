"""The tables of `suggest`."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from rnndiag.advice import Advice, ClippingAdvice
from rnndiag.escape import printable
from rnndiag.render.table.parts import bullets, table
from rnndiag.render.table.truncation import read_truncation, truncation_rows


def show(advice: Advice) -> Iterator[RenderableType]:
    """The two values, what they rest on, and code to paste."""
    yield _values(advice)
    yield bullets([*_clipping(advice.clipping), *read_truncation(advice.truncation)])
    yield Text("\nPyTorch, to paste:", style="bold")
    # Never wrapped: a line that the terminal breaks is still one line when it is copied.
    for line in advice.snippets["torch"].splitlines():
        yield Text(f"    {line}", no_wrap=True, overflow="ignore")


def _values(advice: Advice) -> RenderableType:
    clipping, truncation = advice.clipping, advice.truncation
    made = table("what", "value", "basis", left=("what", "value", "basis"))
    made.add_row("clip by norm", f"max_norm = {clipping.max_norm:g}", _BASIS[clipping.basis])
    for row in truncation_rows(truncation):
        made.add_row(*(Text(printable(cell)) for cell in row))
    return made


_BASIS = {
    "logged-norms": "measured: the norms you logged",
    "optimizer-state": "measured: optimizer state in the file",
    "already-clipped": "the clip value in force; norms before it unknown",
    "convention": "convention, not measured",
}


def _clipping(clipping: ClippingAdvice) -> Iterator[str]:
    yield f"Clip value: {clipping.reason}."
    if clipping.reasonable_range is not None:
        low, high = clipping.reasonable_range
        yield f"Values from {low:.2g} to {high:.2g} are worth trying (Pascanu et al. 2013)."
    yield from (f"Clip value: {caveat}." for caveat in clipping.caveats)
    if clipping.setting is not None:
        name, value = clipping.setting
        yield f"The file itself says {name} = {value:g}."
