"""A clip value, a truncation length, and changes worth making, with code to copy."""

from __future__ import annotations

from collections.abc import Iterator

from rnndiag.advice import Advice
from rnndiag.advice.snippets import FRAMEWORKS
from rnndiag.render.html.element import Child, element
from rnndiag.render.html.parts import bullets, code_block, prose, table
from rnndiag.render.shared import clipping
from rnndiag.render.shared.changes import sentence
from rnndiag.render.shared.truncation import read_truncation, truncation_rows


def show(advice: Advice) -> Iterator[Child]:
    """The two values, what they rest on, and code."""
    value = f"max_norm = {advice.clipping.max_norm:g}"
    rows = [
        ("clip by norm", value, clipping.BASIS[advice.clipping.basis]),
        *truncation_rows(advice.truncation),
    ]
    yield table("Clipping and truncation", ["what", "value", "basis"], rows)
    yield bullets([*clipping.sentences(advice.clipping), *read_truncation(advice.truncation)])
    for name, source in advice.snippets.items():
        title = f"Code for {FRAMEWORKS[name].title}"
        yield element("h4", title)
        yield code_block(source, title)
    yield from _changes(advice)


def _changes(advice: Advice) -> Iterator[Child]:
    """Nothing for a healthy network."""
    if advice.changes:
        yield element("h4", "Changes worth making")
    for place, change in enumerate(advice.changes, start=1):
        yield element("p", *prose(sentence(change)))
        if change.code:
            yield code_block(change.code, f"Code for change {place}")
