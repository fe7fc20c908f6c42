"""Pieces that several sections are made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from rnndiag.render.html.element import Child, Element, Lines, element

Cell = Child

SHOWN = 20
"""Entries of a list of names that are shown; JSON has all of them."""


def table(
    caption: str, headers: Sequence[Cell], rows: Iterable[Sequence[Cell]], named: bool = False
) -> Element:
    """A table whose first column names the rows; on a narrow screen it scrolls by itself.

    `named`: the names are a file's own, and long.
    """
    head = element("tr", (element("th", header, scope="col") for header in headers))
    body = (element("tr", element("th", row[0], scope="row"), map(_cell, row[1:])) for row in rows)
    made = element(
        "table", element("caption", caption), element("thead", head), element("tbody", body)
    )
    # Whoever has no mouse scrolls it with the arrow keys, once it can have the focus.
    kind = "scroll named" if named else "scroll"
    return element("div", made, class_=kind, tabindex=0, role="region", aria_label=caption)


CODE = 24
"""Characters of code in a sentence that stay on one line, which a telephone still holds."""

SHORT = 16
"""Characters of a cell that stays on one line: a number, an interval's end, a word or two."""


def _cell(content: Cell) -> Element:
    short = isinstance(content, str) and len(content) <= SHORT
    return element("td", content, class_="short" if short else None)


def bullets(sentences: Iterable[str]) -> Element | None:
    """A list of sentences; none for no sentence."""
    items = [element("li", *prose(sentence)) for sentence in sentences]
    return element("ul", items) if items else None


WHOLE = re.compile(r"(\d[\d.]*e[-+]\d+|--[a-z][a-z-]*)")
"""Numbers and options, which a browser would break at their dashes."""


def prose(sentence: str) -> Iterator[Child]:
    """A sentence in which what stands between backticks is code."""
    for place, piece in enumerate(sentence.split("`")):
        if place % 2:
            yield element("code", piece, class_="short" if len(piece) <= CODE else None)
        else:
            yield from _unbroken(piece)


def _unbroken(words: str) -> Iterator[Child]:
    for place, piece in enumerate(WHOLE.split(words)):
        yield element("span", piece, class_="short") if place % 2 else piece


def folded(summary: str, *body: Child | Iterable[Child]) -> Element:
    """A part that opens when it is asked for; print shows it."""
    return element("details", element("summary", summary), *body)


def chip(words: str, kind: str | None = None) -> Element:
    """A verdict or a severity, whose colour is that of its kind and only repeats the words."""
    return element("span", words, class_=f"chip {kind or words}")


def code_block(source: str, what: str) -> Element:
    """Code with a button that copies it."""
    button = element("button", "Copy", type="button", class_="copy", aria_label=f"Copy: {what}")
    code = element("pre", element("code", Lines(source)), tabindex=0, aria_label=what)
    return element("div", button, code, class_="code")


def shortened(names: Sequence[str], shown: int = SHOWN) -> Iterator[str]:
    """The first sentences of a list, and how many more there are."""
    yield from names[:shown]
    if len(names) > shown:
        yield f"… and {len(names) - shown} more (`--format json` has all)"


SAMPLES = {
    "own": "M11 7h0",
    "jacobian": "M8 4l6 6m0 -6l-6 6",
    "unit": "M1 7h20",
    "disc": "M5 1h12v12h-12Z",
    "cell": "M1 7h20",
    "band": "M1 2h20v10h-20Z",
    "textbook": "M1 7h20",
    "horizon": "M11 7h0",
    "half-life": "M11 12l-5 -9h10Z",
    "hidden-state": "M1 7h20",
}
"""What a legend draws, by the class that gives it its look."""


def sample(name: str) -> Element:
    """A key to what a picture shows."""
    drawn = element("path", class_=name, d=SAMPLES[name])
    return element("svg", drawn, class_="sample", width=22, height=14, aria_hidden="true")
