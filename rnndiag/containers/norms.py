"""Gradient norms that a training run logged, in whatever form it did."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rnndiag.containers.folders import is_folder, is_there
from rnndiag.containers.norm_arrays import NPY, read_array
from rnndiag.containers.norm_columns import Log, Series, is_plain
from rnndiag.containers.norm_lines import read_lines
from rnndiag.containers.norm_objects import read_document, read_objects
from rnndiag.containers.norm_tables import read_table
from rnndiag.containers.plain_text import read_bytes
from rnndiag.containers.zip_archive import is_zip
from rnndiag.errors import InputCode, RnndiagError

NAMED = 8
"""Columns that an error names."""

OTHER_FILES = (
    (b"\x1f\x8b", "is packed by gzip: decompress it first"),
    (b"PAR1", "is a Parquet file, which is not read: save it as csv"),
    (b"SQLite format 3", "is a database, which is not read: export the metric as csv"),
)
"""First bytes of what loggers write besides text, and what to do."""

UTF_16 = (b"\xff\xfe", b"\xfe\xff")
"""What PowerShell's `>` and Excel's "Unicode text" begin with."""

EVENTS = "tfevents"
"""In the name of TensorBoard's own files."""


@dataclass(frozen=True)
class LoggedNorms:
    """Norms of the whole gradient, one a step."""

    norms: tuple[float, ...]
    """In the order of the file, none negative; inf and NaN stand where a step had no finite one."""

    column: str = ""
    """The name they were found under, where that does not say by itself what they are."""


def read_norms(named: str) -> LoggedNorms:
    """The norms in a file, or in a column of it, named FILE or FILE:COLUMN.

    Reads csv, JSON, a JSON object a line, text that a program printed, bare numbers, .npy and .npz.
    Steps without a norm are passed over. Raises RnndiagError (RD007) that names the line which
    holds something else, the columns there are, or those among which to choose.
    """
    path, column = _split(named)
    log = _log(path, column)
    one = _only(log, path)
    problem = log.refused or one.wrong
    if problem is not None:
        raise _bad(f"--norms {path} {problem[0]} holds {problem[1]}", _HOW)
    if not one.values:
        raise _bad(f"--norms {path} holds no norm", _HOW)
    if not any(map(math.isfinite, one.values)):
        raise _none_finite(path, len(one.values))
    plain = not one.name or is_plain(one.name) or len(log.names) == 1
    return LoggedNorms(tuple(one.values), "" if plain else one.name)


def _split(named: str) -> tuple[str, str | None]:
    r"""FILE and COLUMN: of C:\run:1.csv:grad_norm the longest beginning that is there is FILE."""
    if is_there(named):
        return named, None
    colons = [at for at, character in enumerate(named) if character == ":"]
    for at in reversed(colons):
        if named[at + 1 :] and is_there(named[:at]) and not is_folder(named[:at]):
            return named[:at], named[at + 1 :]
    return named, None


def _log(path: str, column: str | None) -> Log:
    """What the first reader found that the file fits."""
    raw = read_bytes(path, "--norms", "give a file of norms")
    if raw.startswith(NPY) or is_zip(raw):
        log = Log(column)
        why = read_array(raw, log)
        if why is not None:
            raise _bad(f"--norms {path} {why}", "give one array of norms, one a step")
        return log
    text = _decoded(raw, path)
    tried = []
    for read in _readers(text):
        log = Log(column)
        if read(text, log):
            return log
        tried.append(log)
    found = (log for log in tried if log.all_series)
    return next(found, next((log for log in tried if log.refused), tried[0]))


def _readers(text: str) -> Sequence[Callable[[str, Log], bool]]:
    """Those that may fit, by the first character; a line in brackets may begin with a time."""
    if text.lstrip()[:1] in {"{", "["}:
        return read_document, read_objects, read_lines
    return read_table, read_lines


def _decoded(raw: bytes, path: str) -> str:
    """UTF-8, UTF-16 as Windows writes it, or else one byte a character."""
    other = next((what for start, what in OTHER_FILES if raw.startswith(start)), None)
    if EVENTS in path:
        other = "is TensorBoard's own file, which is not read: download the scalar as csv"
    if other is not None:
        what, _, remedy = other.partition(": ")
        raise _bad(f"--norms {path} {what}", remedy)
    if raw.startswith(UTF_16):
        return raw.decode("utf-16", "replace")
    if b"\0" not in raw:
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            if not _CONTROL.search(raw):
                return raw.decode("cp1252", "replace")
    raise _bad(f"--norms {path} is not text", _HOW)


def _only(log: Log, path: str) -> Series:
    """The series that is meant; raises where there is none, or more than one."""
    chosen = log.chosen()
    if len(chosen) == 1:
        return chosen[0]
    if not chosen and log.refused is not None:
        raise _bad(f"--norms {path} {log.refused[0]} holds {log.refused[1]}", _HOW)
    if not chosen:
        raise _none(log, path)
    names = [one.name for one in chosen]
    if len(set(names)) < len(names):
        names = [str(one.place) for one in chosen]
    raise _bad(
        f"--norms {path} holds {len(names)} norms: {_listed(names)}",
        f"name the one of the whole gradient before clipping, as in --norms {path}:{names[0]}",
    )


def _none(log: Log, path: str) -> RnndiagError:
    names = [name for name in log.names if name]
    there = f"it has {_listed(names)}" if names else "its numbers have no names"
    if not log.names:
        what = "holds no norm" if log.column is None else f"has no number after {log.column!r}"
        return _bad(f"--norms {path} {what}", _HOW)
    if log.column is not None:
        return _bad(f"--norms {path} has no column {log.column!r}: {there}", "name one of them")
    count = f"{len(names)} columns" if len(names) > 1 else "one column"
    return _bad(
        f"--norms {path} has {count}, none named as a gradient norm: {_listed(names)}",
        f"name the one that is, as in --norms {path}:{names[-1]}",
    )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(name[:60] for name in names[:NAMED])
    more = len(names) - NAMED
    return f"{shown} and {more:,} more" if more > 0 else shown


_HOW = "write one norm a line, or a csv column or JSON key named grad_norm or gradient_norm"

_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def _none_finite(path: str, total: int) -> RnndiagError:
    what = "the one norm is" if total == 1 else f"all {total:,} norms are"
    return _bad(
        f"--norms {path}: {what} inf or NaN",
        "log a run whose gradients are finite: lower the learning rate or the loss scale, and call "
        "scaler.unscale_(optimizer) before clip_grad_norm_",
    )


def _bad(what: str, remedy: str) -> RnndiagError:
    return RnndiagError(InputCode.USAGE, what, remedy)
