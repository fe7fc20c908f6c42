"""The README's console blocks: read, and rewritten by `make readme` when an output has changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from terminal import plain, run_in_terminal

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"

CONSOLE = re.compile(r"(?<=```console\n)\$ (rnndiag [^\n]*)\n(.*?)(?=```)", re.DOTALL)
"""A command line and the output under it, one command a block."""


def shown_commands() -> Iterator[tuple[str, str]]:
    """(command line, shown output) of every block."""
    for block in CONSOLE.finditer(README.read_text(encoding="utf-8")):
        yield block[1], block[2]


def real_output(command: str) -> str:
    """What the command shows on a terminal of 100 columns, without colours."""
    return plain(run_in_terminal(command.split()[1:], folder=ROOT)[1])


def refresh() -> None:
    """Put the real output under every command."""
    text = README.read_text(encoding="utf-8")
    fresh = CONSOLE.sub(lambda block: f"$ {block[1]}\n{real_output(block[1])}", text)
    README.write_text(fresh, encoding="utf-8")


if __name__ == "__main__":
    refresh()
