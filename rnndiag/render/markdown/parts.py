"""Pieces that a comment is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rnndiag.render.markdown.escape import text


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; its cells are escaped already."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def bullets(sentences: Iterable[str]) -> str:
    """A list of sentences, which are escaped here."""
    return "\n".join(f"- {text(sentence)}" for sentence in sentences)


def details(summary: str, body: Iterable[str], is_open: bool = False) -> str:
    """A part that is folded away until it is clicked on; its summary is escaped already."""
    tag = "<details open>" if is_open else "<details>"
    parts = [part for part in body if part]
    return "\n\n".join([f"{tag}<summary>{summary}</summary>", *parts, "</details>"])
