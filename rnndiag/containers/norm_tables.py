"""Logged norms out of tables: csv in its dialects, columns of numbers, MLflow's metric files."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from itertools import islice

from rnndiag.containers.norm_columns import MISSING, Log

DELIMITERS = "\t;,"
"""In the order in which they are tried: a decimal comma stands in what ; or tabs separate."""

SAMPLE = 20
"""Lines by which a delimiter is told."""

LABELS = {"tag", "key", "metric", "name"}
"""Columns that say which metric the column "value" of the same line is of."""

_MILLISECONDS = re.compile(r"1\d{12}")
"""A time since 1970, as MLflow writes one before each value and step."""

Row = tuple[int, list[str]]


def read_table(text: str, log: Log) -> bool:
    """Fill a log from lines of fields; the first line names the columns, unless it is numbers.

    False where there are no norms in it, or something else stands among them.
    """
    lines, separator = _lines(text)
    if not lines:
        return False
    delimiter = separator or _delimiter([line for _, line in lines])
    rows = _rows(text, delimiter, lines[0][0], log)
    names = next(rows, (0, [""]))[1]
    # pandas leaves the name of its index empty, and calls a column without a name 0.
    if all(map(_is_number, names)) and (names[0] or len(names) == 1):
        rows = _rows(text, delimiter, lines[0][0], log)
        names = _unnamed(text, names, delimiter)
    label = next((at for at, name in enumerate(names) if name.lower() in LABELS), None)
    value = next((at for at, name in enumerate(names) if name.lower() == "value"), None)
    if label is not None and value is not None:
        _of_labelled(rows, label, value, log)
    else:
        _of_columns(rows, names, log)
    return log.is_sound


def _lines(text: str) -> tuple[list[tuple[int, str]], str | None]:
    """The first lines with their numbers, and the delimiter where Excel's `sep=;` names it."""
    numbered = enumerate(io.StringIO(text, newline=None), 1)
    lines = list(islice(((n, one) for n, one in numbered if _counts(one)), SAMPLE))
    named = re.fullmatch(r"sep=(.)\s*", lines[0][1]) if lines else None
    return (lines[1:], named[1]) if named else (lines, None)


def _counts(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _delimiter(sample: Sequence[str]) -> str | None:
    """The mark that cuts most lines as it cuts the first; " " for blanks; None for one column."""

    def agreeing(mark: str) -> int:
        count = len(_fields(sample[0], mark))
        return 0 if count < 2 else sum(len(_fields(one, mark)) == count for one in sample)

    best = max(DELIMITERS, key=agreeing)
    if agreeing(best):
        return best
    count, last = len(sample[0].split()), sample[-1].split()
    is_grid = count > 1 and len(last) == count and all(map(_is_number, last))
    return " " if is_grid else None


def _fields(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:  # A field of more than 128 kB.
        return [line]


def _rows(text: str, delimiter: str | None, first: int, log: Log) -> Iterator[Row]:
    """Line number and fields; a quoted field may go over several lines."""
    lines = (
        line if _counts(line) and number >= first else "\n"
        for number, line in enumerate(io.StringIO(text, newline=None), 1)
    )
    if delimiter is None or delimiter == " ":
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, line.split() if delimiter else [line.strip().strip('"')]
        return
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        try:
            fields = next(reader, None)
        except csv.Error as error:
            log.refuse(f"line {reader.line_num}", f"a {error}")
            continue
        if fields is None:
            return
        if fields:
            yield reader.line_num, [field.strip() for field in fields]


def _is_number(field: str) -> bool:
    plain = field.strip().lower()
    try:
        float(plain.replace(",", "."))
    except ValueError:
        return plain in MISSING
    return True


def _unnamed(text: str, first: Sequence[str], delimiter: str | None) -> list[str]:
    """Names of the columns of bare numbers: a comment's above them, or their places."""
    if len(first) == 1:
        return [""]
    comments = (line for line in io.StringIO(text, newline=None) if line.startswith("#"))
    for comment in islice(comments, SAMPLE):
        bare = comment.strip("# \n\r")
        names = bare.split() if delimiter == " " else _fields(bare, delimiter or ",")
        if len(names) == len(first):
            return [name.strip() for name in names]
    if len(first) == 3 and _MILLISECONDS.fullmatch(first[0]):
        return ["timestamp", "value", "step"]
    return [str(place) for place in range(1, len(first) + 1)]


def _of_columns(rows: Iterator[Row], names: Sequence[str], log: Log) -> None:
    series = [log.series(name, place) for place, name in enumerate(names, 1)]
    kept = [(place, one) for place, one in enumerate(series) if one is not None]
    for number, fields in rows:
        if len(fields) > len(names) and any(fields[len(names) :]):
            log.refuse(f"line {number}", f"{len(fields)} fields, the first line {len(names)}")
        # A log that has several metrics leaves those out that a step did not write.
        for place, one in kept:
            if place < len(fields):
                one.add(f"line {number}", fields[place])


def _of_labelled(rows: Iterator[Row], label: int, value: int, log: Log) -> None:
    """One metric a line, with its name beside it."""
    for number, fields in rows:
        if len(fields) > max(label, value):
            one = log.series(fields[label])
            if one is not None:
                one.add(f"line {number}", fields[value])
