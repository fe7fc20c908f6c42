"""Shapes written with letters, "(4H, H)", and the sizes that make them those of sibling tensors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

Shape = tuple[int, ...]

Letters = Mapping[str, int]
"""What each letter stands for."""

TERM = re.compile(r"(?P<factor>[0-9]*)(?P<letters>[A-Za-z]*)")


class Term(NamedTuple):
    """`2GN` is 2 times G times N."""

    factor: int
    letters: str


Dimension = tuple[Term, ...]
"""`R+2N`: a sum."""


@dataclass(frozen=True)
class ShapePattern:
    """One shape with letters for its sizes."""

    dimensions: tuple[Dimension, ...]

    is_open: bool
    """Whether any further dimensions may follow, "(C, C, k, *)"."""

    def equations(self, shape: Shape) -> tuple[Equation, ...] | None:
        """What has to hold for a shape to be this one; None for another number of dimensions."""
        wanted = len(self.dimensions)
        if len(shape) < wanted or (len(shape) > wanted and not self.is_open):
            return None
        return tuple(map(Equation, self.dimensions, shape))


class Equation(NamedTuple):
    """A dimension and the size it has."""

    dimension: Dimension
    size: int


@cache
def patterns(text: str) -> tuple[ShapePattern, ...]:
    """Read shapes with letters; " | " stands between alternatives.

    Raises ValueError for a text that does not describe one.

    >>> len(patterns("(C,) | (1, 1, C)"))
    2
    """
    return tuple(map(_pattern, text.split("|")))


def _pattern(text: str) -> ShapePattern:
    inner = text.strip()
    if inner[:1] + inner[-1:] != "()":
        raise ValueError(f"{text!r} is not a shape")
    parts = [part.strip() for part in inner[1:-1].split(",") if part.strip()]
    is_open = parts[-1:] == ["*"]
    kept = parts[:-1] if is_open else parts
    return ShapePattern(tuple(map(_dimension, kept)), is_open)


def _dimension(text: str) -> Dimension:
    terms = []
    for part in text.split("+"):
        found = TERM.fullmatch(part.strip())
        if found is None or not part.strip():
            raise ValueError(f"{text!r} is not a size")
        terms.append(Term(int(found["factor"] or 1), found["letters"]))
    return tuple(terms)


def solve(wanted: Sequence[tuple[str, Shape]]) -> Letters | None:
    """Sizes, all of at least 1, that make each shape the one written beside it.

    None where there are none. What several unknown letters add up to is not told apart: it only
    has to be large enough.

    >>> solve([("(3H, H+I)", (96, 40)), ("(3H,)", (96,))])
    {'H': 32, 'I': 8}
    >>> solve([("(4H, H)", (128, 33))]) is None
    True
    """
    return next(_solutions([(patterns(text), shape) for text, shape in wanted], {}, ()), None)


def _solutions(
    wanted: Sequence[tuple[tuple[ShapePattern, ...], Shape]],
    letters: Letters,
    open_equations: tuple[Equation, ...],
) -> Iterator[Letters]:
    """Every choice among alternatives that can be true, each tensor's in turn."""
    if not wanted:
        yield letters
        return
    (alternatives, shape), *others = wanted
    for alternative in alternatives:
        equations = alternative.equations(shape)
        if equations is not None:
            settled = _settled(letters, (*open_equations, *equations))
            if settled is not None:
                yield from _solutions(others, *settled)


def _settled(
    letters: Letters, equations: tuple[Equation, ...]
) -> tuple[Letters, tuple[Equation, ...]] | None:
    """The letters with all that follow from the equations, and the equations still open.

    None where one of them cannot be true.
    """
    known = dict(letters)
    while True:
        count = len(known)
        remaining = []
        for equation in equations:
            verdict = _apply(equation, known)
            if verdict is None:
                return None
            if not verdict:
                remaining.append(equation)
        if len(known) == count:
            return known, tuple(remaining)
        equations = tuple(remaining)


def _apply(equation: Equation, known: dict[str, int]) -> bool | None:
    """Take from an equation what it says. True: all of it; False: more is needed; None: untrue."""
    rest, unknown, factor = equation.size, "", 0
    for term in equation.dimension:
        value, letters = term.factor, ""
        for letter in term.letters:
            if letter in known:
                value *= known[letter]
            else:
                letters += letter
        if letters:
            unknown, factor = unknown + letters, value
        rest -= 0 if letters else value
    if not unknown:
        return True if rest == 0 else None
    if len(unknown) > 1:
        return False if rest >= 1 else None
    if rest < factor or rest % factor:
        return None
    known[unknown] = rest // factor
    return True
