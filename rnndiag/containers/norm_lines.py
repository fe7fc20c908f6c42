"""Logged norms out of text that a program printed for people to read."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import NamedTuple

from rnndiag.containers.norm_columns import Log

_NORM = re.compile(
    r"grad(?:ient)?s?(?:[ _\-](?:l?2(?:\.0)?|total|global))?[ _\-]?norms?|gnorms?"
    r"|(?:total|global)[ _\-]norm|norm of (?:the )?gradients?",
    re.IGNORECASE,
)
"""What a metric is called. What is written onto it, as in train/grad_norm_total, is found after:
a pattern that began with any number of letters would take the square of a long line's length."""

_BEFORE = re.compile(r"[\w./\-]*$")

_NUMBER = r"(?P<number>[+-]?(?>\d+(?:[.,]\d+)*\.?|\.\d+)(?>e[+-]?\d+)?|[+-]?inf(?:inity)?|nan|none)"

_AFTER = re.compile(
    r"(?P<name>(?P<glued>[\w./\-]*+)"
    r"(?:[ ][(\[]?(?:total|l2|before|after|pre|post|(?:un)?clip(?:ping|ped)?|mean|max)\b[)\]]?"
    r"){0,4})"
    r"['\")\]]*\s*(?:[:=|>]+|-(?=\s)|is\b|was\b)?\s*"
    rf"['\"(\[]?(?:(?:tensor|float|np\.float\d+)\()?{_NUMBER}(?!\w)",
    re.IGNORECASE,
)
"""The rest of the name, a mark or none between, and the number."""

_LONGEST = 64
"""Characters of a name on either side of the word, and of what may stand before the number."""

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Found(NamedTuple):
    """A name with a number behind it."""

    name: str
    start: int
    number: str


def read_lines(text: str, log: Log) -> bool:
    """Fill a log from lines such as "| gnorm 1.2 |", "Grad Norm 0.123", "{'grad_norm': 1.2}".

    False where no line has such a number.
    """
    named = log.column
    wanted = re.compile(rf"(?<!\w){re.escape(named)}(?!\w)", re.IGNORECASE) if named else _NORM
    for number, raw in enumerate(io.StringIO(text, newline=None), 1):
        line = _COLOURS.sub("", raw)
        if line.startswith("#"):
            continue
        for name, _, value in _apart(line, list(_found(line, wanted, exact=bool(named)))):
            one = log.series(name)
            if one is not None:
                one.add(f"line {number}", value)
    return bool(log.all_series)


def _found(line: str, wanted: re.Pattern[str], exact: bool) -> Iterator[Found]:
    for match in wanted.finditer(line):
        start, end = match.span()
        rest = _AFTER.match(line[end : end + 2 * _LONGEST])
        if rest is None or (exact and rest["glued"]):
            continue
        before = _BEFORE.search(line[max(0, start - _LONGEST) : start])
        start -= 0 if exact or before is None else len(before[0])
        name = line[start:end] if exact else line[start:end] + rest["name"]
        yield Found(name.strip(), start, rest["number"])


def _apart(line: str, found: list[Found]) -> list[Found]:
    """Two of one name in a line, of an actor and a critic, get the word that stands before them."""
    names = [one.name for one in found]
    if len(set(names)) == len(names):
        return found
    return [one._replace(name=f"{_word(line, one.start)} {one.name}".strip()) for one in found]


def _word(line: str, end: int) -> str:
    last = re.search(r"([A-Za-z]\w*)[\s(]*$", line[max(0, end - _LONGEST) : end])
    return last[1] if last else ""
