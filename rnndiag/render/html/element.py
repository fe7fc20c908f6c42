"""HTML that is built from elements and never written as text, so that no text in it is markup.

Every string is made printable and escaped when it is written. The only raw text is that of `script`
and `style`, where nothing is escaped: it may not hold what could end them.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from rnndiag.escape import printable

VOID = {"br", "input", "link", "meta"}
"""Elements without an end."""


@dataclass(frozen=True)
class Element:
    """One element with what is in it."""

    tag: str
    attributes: tuple[tuple[str, str], ...]
    children: tuple[Element | Lines | Raw | str, ...]

    def write(self) -> str:
        """As it stands in the page."""
        return "".join(self._pieces())

    def _pieces(self) -> Iterator[str]:
        shown = "".join(f' {name}="{_text(value)}"' for name, value in self.attributes)
        yield f"<{self.tag}{shown}>"
        for child in self.children:
            yield _text(child) if isinstance(child, str) else child.write()
        if self.tag not in VOID:
            yield f"</{self.tag}>"


@dataclass(frozen=True)
class Lines:
    """Text of several lines, such as code: its line ends stay."""

    text: str

    def write(self) -> str:
        """Every line escaped by itself."""
        return "\n".join(map(_text, self.text.splitlines()))


@dataclass(frozen=True)
class Raw:
    """What a script or a style sheet holds."""

    text: str

    def __post_init__(self) -> None:
        if "</" in self.text or "<!--" in self.text:
            raise ValueError("raw text must not be able to end its element")

    def write(self) -> str:
        """As it is."""
        return self.text


Child: TypeAlias = "Element | Lines | Raw | str | None"
Attribute: TypeAlias = "str | int | float | bool | None"


def element(tag: str, *children: Child | Iterable[Child], **attributes: Attribute) -> Element:
    """An element; None is left out, and of attributes False, too.

    Names of attributes have underscores for dashes, and one at the end where Python has a keyword.

    >>> element("p", "a < b", element("b", "c"), class_="note", hidden=True).write()
    '<p class="note" hidden="">a &lt; b<b>c</b></p>'
    """
    written = tuple(
        (name.rstrip("_").replace("_", "-"), "" if value is True else str(value))
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    return Element(tag, written, tuple(_flat(children)))


def _flat(children: Iterable[Child | Iterable[Child]]) -> Iterator[Element | Lines | Raw | str]:
    for child in children:
        if isinstance(child, Element | Lines | Raw | str):
            yield child
        elif child is not None:
            yield from _flat(child)


def _text(raw: str) -> str:
    """Plain ASCII, so that no stream's encoding can spoil it."""
    return html.escape(printable(raw)).encode("ascii", "xmlcharrefreplace").decode()
