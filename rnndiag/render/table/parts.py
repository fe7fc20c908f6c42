"""Pieces that several tables are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich import box
from rich.console import Group, JustifyMethod, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rnndiag.analysis import FileResult
from rnndiag.escape import printable
from rnndiag.readings.length import read_length
from rnndiag.recognise.layers import RecurrentLayer
from rnndiag.render.shared.layers import cell_name, sizes
from rnndiag.rules.base import Severity

VERDICT_STYLES = {
    "exploding": "bold red",
    "unsure": "bold yellow",
    "growing": "yellow",
    "mixed": "yellow",
    "vanishing": "cyan",
    "stable": "green",
}
"""Colours only repeat what the word beside them says."""

SEVERITY_STYLES: dict[Severity, str] = {"error": "bold red", "warning": "yellow", "note": "cyan"}

DETAILED_LAYERS = 4
"""Files with more layers get one row a layer; pictures and readings need --layer."""


def table(*headers: str, left: Sequence[str] = ()) -> Table:
    """A plain table; columns named in `left` hold words, the others numbers.

    Only layers' names and the like are folded where the screen is narrow.
    """
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for header in headers:
        justify: JustifyMethod = "left" if header in left else "right"
        folding = header in FOLDING
        made.add_column(header, justify=justify, overflow="fold", no_wrap=not folding)
    return made


FOLDING = {"layer", "W_hh block norms", "value", "basis"}
"""Columns that may take several lines."""


def heading(layer: RecurrentLayer) -> Text:
    """The line above one layer's details."""
    return Text.assemble(
        "\n", (printable(layer.label), "bold"), f"  {cell_name(layer)}  {sizes(layer)}"
    )


def bullets(sentences: Iterable[str]) -> Group:
    """Sentences as a list, wrapped at the screen's width."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column()
    grid.add_column(overflow="fold")
    for sentence in sentences:
        grid.add_row("-", Text(printable(sentence)))
    return Group(grid)


def said_of_length(result: FileResult) -> Iterator[RenderableType]:
    """What is to be known of the sequences' length, if anything is."""
    sentences = list(read_length(result))
    if sentences:
        yield bullets(sentences)


def picture(lines: Sequence[str]) -> RenderableType:
    """A picture's lines, moved in a little."""
    return Padding(Text("\n".join(lines)), (1, 0, 1, 2))


def code(text: str) -> Iterator[RenderableType]:
    """Code to paste, never wrapped: a line that the terminal breaks is one line when copied."""
    for line in text.splitlines():
        # In a group, because a console that is given a bare text forgets that it must not wrap.
        yield Group(Text(f"    {line}", no_wrap=True, overflow="ignore"))
