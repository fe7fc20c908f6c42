"""A file's names in a message: the likeliest few of many."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Collection, Sequence

MOST_NAMES = 6
"""Names shown in one message: more do not fit on a line."""

SEARCHED = 5000
"""Names compared with a mistyped one: comparing takes time quadratic in their length."""


def listed(names: Sequence[str]) -> str:
    """Names for a message, cut where there are too many.

    >>> listed(["a", "b", "c", "d", "e", "f", "g"])
    'a, b, c, d, e, f and 1 more'
    """
    shown = ", ".join(names[:MOST_NAMES])
    return f"{shown} and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else shown


def nearest(name: str, names: Collection[str]) -> str:
    """The names most like a mistyped one, best first, for a message; any where none is like it."""
    pool = list(itertools.islice(names, SEARCHED))
    near = difflib.get_close_matches(name, pool, n=MOST_NAMES, cutoff=0.4)
    return f"the nearest names are {listed(near or list(names))}"
