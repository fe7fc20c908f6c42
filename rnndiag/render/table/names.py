"""A layer's name in a narrow column: broken at its dots and slashes, not inside a word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells
from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.text import Text

from rnndiag.escape import printable

PIECES = re.compile(r"[^./]*[./]*")
"""A word with the separators behind it."""


@dataclass(frozen=True)
class LayerName:
    """A name that takes as many lines as its column is narrow."""

    name: str
    """As the file has it; shown escaped."""

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """As one line, if there is room."""
        width = cell_len(printable(self.name))
        return Measurement(min(width, options.max_width), min(width, options.max_width))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Line by line."""
        for line in broken(printable(self.name), options.max_width):
            yield Text(line, no_wrap=True)


def broken(name: str, width: int) -> list[str]:
    """The name's lines, none wider than width cells.

    >>> broken("model.encoder.rnn/0/forward", 14), broken("abcdef", 4)
    (['model.encoder.', 'rnn/0/forward'], ['abcd', 'ef'])
    """
    lines = [""]
    for piece in PIECES.findall(name):
        if cell_len(lines[-1] + piece) <= width:
            lines[-1] += piece
        else:
            lines += chop_cells(piece, width)
    return [line for line in lines if line] or [""]
