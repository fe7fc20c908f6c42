"""The file that holds a baseline: JSON, with an entry a line, so that a review can read it."""

from __future__ import annotations

import json
import math
import posixpath
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from rnndiag.baseline.base import Accepted, Baseline, Key
from rnndiag.containers.plain_text import read_text
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.rules import RULES

VERSION = 1
"""Of the format; a reader refuses a later one."""

MARK = "rnndiag_baseline"
"""The key that says what the file is, and its version."""


def baseline_text(baseline: Baseline) -> str:
    """The same text for the same findings: sorted, and without a time or a version of the tool."""
    lines = [_line(key, accepted) for key, accepted in sorted(baseline.entries.items())]
    entries = ",".join(f"\n  {line}" for line in lines)
    return f'{{\n "{MARK}": {VERSION},\n "accepted": [{entries}\n ]\n}}\n'


def _line(key: Key, accepted: Accepted) -> str:
    fields: dict[str, Any] = key._asdict()
    if accepted.measure is not None:
        fields |= {"measure": accepted.measure, "value": _shown(accepted.value)}
    return json.dumps(fields)


def _shown(value: float | None) -> float | int | str | None:
    """Counts without a point, and a word for what JSON has no number for."""
    if value is None:
        return None
    if not math.isfinite(value):
        return str(value)
    return int(value) if value.is_integer() else value


def read_baseline(path: str) -> Baseline:
    """The baseline in a file; raises RnndiagError (RD007) for one that is not there, or is none."""
    return parse_baseline(read_text(path, "--baseline", "write one with --write-baseline"), path)


def parse_baseline(text: str, path: str) -> Baseline:
    """A baseline from its text.

    Raises RnndiagError (RD007), with the place, for what is no baseline, a later version of one, an
    entry that says nothing, and one that is there twice.
    """
    entries: dict[Key, Accepted] = {}
    for number, entry in enumerate(_entries(_json(text, path), path), 1):
        key, accepted = _entry(entry, f"{path}: entry {number}")
        if key in entries:
            _refuse(f"{path}: entry {number} is there twice", "leave one of the two")
        entries[key] = accepted
    return Baseline(path, entries)


def _json(text: str, path: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        _refuse(f"{path} is no baseline: {error}", "mend it, or write it anew")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _entries(whole: Any, path: str) -> Iterator[Any]:
    version = whole.get(MARK) if isinstance(whole, dict) else None
    if type(version) is not int or version < 1:
        _refuse(f"{path} is no baseline of rnndiag", "write one with --write-baseline")
    if version > VERSION:
        what = f"{path} was written by a later rnndiag: baseline version {version}, not {VERSION}"
        _refuse(what, "upgrade rnndiag, or write it anew")
    found = whole.get("accepted")
    if not isinstance(found, list):
        _refuse(f"{path} has no list of accepted findings", "write it anew")
    yield from found


def _entry(entry: Any, place: str) -> tuple[Key, Accepted]:
    fields: Mapping[str, Any] = entry if isinstance(entry, dict) else {}
    named = [fields.get(name) for name in Key._fields]
    if not all(isinstance(name, str) for name in named):
        _refuse(f"{place} does not say path, layer and code", "mend it, or write the file anew")
    path, layer, code = map(str, named)
    if code not in {rule.code for rule in RULES}:
        what = f"{place}: {code} is no rule's code"
        _refuse(what, "leave it out: only rules' findings can be accepted")
    measure, value = fields.get("measure"), fields.get("value")
    if not isinstance(measure, str | None):
        _refuse(f"{place}: measure is no text", "mend it, or write the file anew")
    return Key(posixpath.normpath(path), layer, code), Accepted(measure, _number(value, place))


def _number(value: Any, place: str) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float) and value not in ("inf", "-inf"):
        _refuse(f"{place}: value is no number", "mend it, or write the file anew")
    try:
        return float(value)
    except OverflowError:
        _refuse(f"{place}: value is too large", "mend it, or write the file anew")


def _refuse(what: str, remedy: str) -> NoReturn:
    raise RnndiagError(InputCode.USAGE, what, remedy)
