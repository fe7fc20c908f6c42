"""Pieces of sentences."""

from __future__ import annotations

from collections.abc import Sequence

NAMED = 3
"""Layers or modules that a sentence names; JSON has all of them."""


def counted(count: int, noun: str) -> str:
    """A number and its noun.

    >>> counted(1, "step"), counted(20, "step")
    ('1 step', '20 steps')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def listed(names: Sequence[str]) -> str:
    """The first few names.

    >>> listed(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    more = len(names) - NAMED
    shown = ", ".join(names[:NAMED])
    return f"{shown} and {more} more" if more > 0 else shown
