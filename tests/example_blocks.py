"""The examples of README and docs: run in order, and rewritten by `make readme` when one changed.

A page is run in a folder of its own that holds a copy of fixtures/. Its fenced blocks are

    python     executed; what it prints is the block `text` that follows at once
    console    one command line after "$ ", run by a shell on a terminal; its output stands below it

and everything else is left alone. A file that one block writes is there for the next.
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import tempfile
from pathlib import Path

from terminal import in_terminal, plain

ROOT = Path(__file__).parents[1]
COLUMNS = 92
"""Of the terminal: as wide as a page of the documentation, and the tables of fixtures fit."""

PAGES = (
    ROOT / "README.md",
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if "generated" not in page.parts),
)
"""Without the pages that are made from the code."""

EXAMPLE = re.compile(
    r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<printed>.*?)^```\n)?"
    r"|^```console\n\$ (?P<command>[^\n]*)\n(?P<shown>.*?)^```\n",
    re.DOTALL | re.MULTILINE,
)
"""A Python block with what it prints, or a command line with what it shows."""


def page_name(page: Path) -> str:
    """How tests call it."""
    return page.relative_to(ROOT).as_posix()


def has_examples(page: Path) -> bool:
    """Whether anything of it is run."""
    return EXAMPLE.search(page.read_text(encoding="utf-8")) is not None


def refreshed(page: Path) -> str:
    """The page's text with what its examples really print and show."""
    names: dict[str, object] = {"__name__": "__main__"}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        shutil.copytree(ROOT / "fixtures", "fixtures", ignore=shutil.ignore_patterns("*.py", "__*"))
        return EXAMPLE.sub(lambda found: _run(found, names), page.read_text(encoding="utf-8"))


def _run(found: re.Match[str], names: dict[str, object]) -> str:
    if found["command"] is not None:
        return f"```console\n$ {found['command']}\n{shown_by(found['command'])}```\n"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(found["code"], "example", "exec"), names)
    block = f"```python\n{found['code']}```\n"
    return block + (f"\n```text\n{printed.getvalue()}```\n" if printed.getvalue() else "")


def shown_by(command: str) -> str:
    """What a command line shows on a terminal, without colours."""
    return plain(in_terminal(["sh", "-c", command], columns=COLUMNS)[1])


def refresh() -> None:
    """Put the real outputs into every page."""
    for page in filter(has_examples, PAGES):
        page.write_text(refreshed(page), encoding="utf-8")


if __name__ == "__main__":
    refresh()
