"""Gradient norms that a training run logged: one a line, or a column of a csv or jsonl file."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from pathlib import Path

from rnndiag.errors import InputCode, RnndiagError

COLUMNS = ("grad_norm", "gradient_norm", "norm")
"""Names of the column or key, in this order; a file of bare numbers needs none."""


def read_norms(path: str) -> list[float]:
    """The norms in the order of the file, each finite and not negative.

    Raises RnndiagError (RD007) naming the line that holds no norm.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RnndiagError(
            InputCode.USAGE, f"--norms {path} cannot be read", "give a text file of norms"
        ) from error
    norms = [_norm(value, path, line) for line, value in _values(text.splitlines(), path)]
    if not norms:
        raise RnndiagError(InputCode.USAGE, f"--norms {path} holds no norm", "log some steps first")
    return norms


def _values(lines: list[str], path: str) -> Iterator[tuple[int, object]]:
    """(line number from 1, value) of every norm."""
    rows = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if rows and rows[0][1].lstrip().startswith("{"):
        for number, line in rows:
            yield number, _of_object(line, path, number)
        return
    column = None
    for number, line in rows:
        fields = [field.strip() for field in next(csv.reader([line]))]
        if column is None:
            column = next((fields.index(name) for name in COLUMNS if name in fields), None)
            if column is not None:
                continue
            column = len(fields) - 1
        yield number, fields[column] if column < len(fields) else None


def _of_object(line: str, path: str, number: int) -> object:
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise _unusable(path, number, "no JSON object") from error
    found = [entry[name] for name in COLUMNS if isinstance(entry, dict) and name in entry]
    return found[0] if found else None


def _norm(value: object, path: str, line: int) -> float:
    try:
        norm = float(value) if isinstance(value, str | int | float) else math.nan
    except ValueError:
        norm = math.nan
    if not math.isfinite(norm) or norm < 0.0:
        raise _unusable(path, line, f"no norm: {value!r}")
    return norm


def _unusable(path: str, line: int, what: str) -> RnndiagError:
    return RnndiagError(
        InputCode.USAGE,
        f"--norms {path} line {line} holds {what}",
        f"write one norm a line, or a csv column or jsonl key named {' or '.join(COLUMNS)}",
    )
