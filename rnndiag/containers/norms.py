"""Gradient norms that a training run logged: one a line, or a column of csv, jsonl or json."""

from __future__ import annotations

import contextlib
import csv
import json
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rnndiag.containers.plain_text import read_text
from rnndiag.errors import InputCode, RnndiagError

COLUMNS = ("grad_norm", "gradient_norm", "total_norm", "grad_2.0_norm_total", "norm")
"""Names of the column or key, in this order: transformers' Trainer writes the first, Lightning's
`grad_norm` the fourth. What stands before a slash or dash, as in "train/grad_norm", is ignored."""

Object = dict[str, object]


class Entry(NamedTuple):
    """One norm as it stands in the file."""

    where: str
    """"line 17" or "entry 17"."""

    value: object


def read_norms(path: str) -> list[float]:
    """The norms in the order of the file, each finite and not negative.

    Rows of a log without a norm are passed over. Raises RnndiagError (RD007) naming the line that
    holds something else, and how many norms are not finite.
    """
    entries = list(_entries(read_text(path, "--norms", "give a text file of norms"), path))
    norms = [_number(entry, path) for entry in entries]
    if not norms:
        raise _bad(f"--norms {path} holds no norm", _HOW)
    broken = [place for place, norm in enumerate(norms) if not math.isfinite(norm)]
    if broken:
        raise _not_finite(path, len(broken), len(norms), entries[broken[0]])
    return norms


def _entries(text: str, path: str) -> Iterator[Entry]:
    """Every norm of whichever format the first character tells."""
    if text.lstrip()[:1] not in {"{", "["}:
        yield from _of_rows(text, path)
        return
    log = _document(text)
    if log is None:
        yield from _of_lines(text, path)
    else:
        yield from _of_log(log)


def _of_rows(text: str, path: str) -> Iterator[Entry]:
    """Of bare numbers, or of a table whose first line names its columns."""
    lines = enumerate(text.splitlines(), 1)
    rows = [(number, line) for number, line in lines if line.strip() and line.lstrip()[0] != "#"]
    if not rows:
        return
    delimiter = next((mark for mark in ",;\t" if mark in rows[0][1]), ",")
    table = [_fields(line, delimiter) for _, line in rows]
    name = _named(table[0])
    if name is None and len(table[0]) > 1:
        raise _bad(f"--norms {path} has {len(table[0])} columns, none named as a norm", _HOW)
    column = 0 if name is None else table[0].index(name)
    for (number, _), fields in list(zip(rows, table, strict=True))[name is not None :]:
        # A log that has several metrics leaves those out that a step did not write.
        if column < len(fields) and fields[column]:
            yield Entry(f"line {number}", fields[column])


def _fields(line: str, delimiter: str) -> list[str]:
    try:
        return [field.strip() for field in next(csv.reader([line], delimiter=delimiter))]
    except csv.Error:  # A field of more than 128 kB.
        return [line]


def _document(text: str) -> Sequence[object] | None:
    """A whole file's list, or the `log_history` of transformers' trainer_state.json."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, dict):
        found = found.get("log_history", [found])
    return found if isinstance(found, list) else None


def _of_log(log: Sequence[object]) -> Iterator[Entry]:
    for number, item in enumerate(log, 1):
        yield from _of_item(item, Entry(f"entry {number}", item))


def _of_lines(text: str, path: str) -> Iterator[Entry]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                item = json.loads(line)
            except (ValueError, RecursionError):
                raise _unusable(path, f"line {number}", "no JSON") from None
            yield from _of_item(item, Entry(f"line {number}", item))


def _of_item(item: object, bare: Entry) -> Iterator[Entry]:
    """The norm of one object, where it has one, or a bare number."""
    if not isinstance(item, dict):
        yield bare
        return
    name = _named(item)
    if name is not None and item[name] is not None:
        yield Entry(bare.where, item[name])


def _named(names: Sequence[str] | Object) -> str | None:
    """The column or key that holds the norm."""
    for wanted in COLUMNS:
        for name in names:
            if name.rpartition("/")[2].rpartition(" - ")[2].strip().lower() == wanted:
                return name
    return None


def _number(entry: Entry, path: str) -> float:
    value = entry.value
    norm = -1.0
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):
            norm = float(value)
    if norm < 0.0:
        raise _unusable(path, entry.where, f"no norm: {str(value)[:40]!r}")
    return norm


_HOW = f"write one norm a line, or a csv column or json key named {' or '.join(COLUMNS[:2])}"


def _not_finite(path: str, broken: int, total: int, first: Entry) -> RnndiagError:
    are = "is" if broken == 1 else "are"
    return _bad(
        f"--norms {path}: {broken:,} of {total:,} norms {are} not finite, first on {first.where} "
        f"({str(first.value)[:40]})",
        "leave out those that a loss scaler skipped: the others put NaN into the weights, which no "
        "clip value prevents",
    )


def _unusable(path: str, where: str, what: str) -> RnndiagError:
    return _bad(f"--norms {path} {where} holds {what}", _HOW)


def _bad(what: str, remedy: str) -> RnndiagError:
    return RnndiagError(InputCode.USAGE, what, remedy)
