"""Many files: named ones must give a verdict, those found in a folder may be no checkpoint."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from rnndiag.analysis import Request
from rnndiag.containers.checkpoint import Skipped
from rnndiag.containers.folders import is_file, is_folder
from rnndiag.containers.safetensors_index import shards_in
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.report import FileReport, report_file

SKIPPABLE = {InputCode.NOT_A_CHECKPOINT, InputCode.NO_RECURRENT_WEIGHTS}
"""What a file met in a folder may be without stopping the verdict."""


def check_paths(
    paths: Sequence[str], request: Request
) -> tuple[tuple[FileReport, ...], tuple[Skipped, ...]]:
    """Measure every file once, sorted by path; returns the reports and what was skipped."""
    reports: list[FileReport] = []
    skipped: list[Skipped] = []
    for path, named in _files(paths):
        report = report_file(path, request, named=named)
        if report.error is not None and not named and report.error.code in SKIPPABLE:
            skipped.append(Skipped(path, report.error.what))
        else:
            reports.append(report)
    return tuple(reports), tuple(skipped)


def _files(paths: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """(path, whether it was named) of every file, sorted; the same file once."""
    found: dict[str, bool] = {}
    for path in paths:
        if is_folder(path):
            for inner in _walk(path):
                found.setdefault(inner, False)
        else:
            found[path] = True
    # Named under any of its names, a file must give a verdict.
    must = {_identity(path) for path, named in found.items() if named}
    seen: set[tuple[int, int] | None] = set()
    for path, named in sorted(found.items()):
        identity = _identity(path)
        if identity is None or identity not in seen:
            seen.add(identity)
            yield path, named or identity in must


def _walk(folder: str) -> Iterator[str]:
    """Regular files below a folder; hidden ones are somebody else's, shards go with their index.

    Raises RnndiagError (RD001) for a folder that cannot be listed: what is in it was not checked.
    """
    for parent, folders, names in os.walk(folder, onerror=_cannot_list):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        shards = shards_in(parent, names)
        for name in sorted(names):
            path = str(Path(parent, name))
            if not name.startswith(".") and name not in shards and is_file(path):
                yield path


def _cannot_list(error: OSError) -> NoReturn:
    what = f"folder {error.filename} cannot be listed: {(error.strerror or str(error)).lower()}"
    raise RnndiagError(InputCode.CANNOT_OPEN, what, "make it readable, or name the files")


def _identity(path: str) -> tuple[int, int] | None:
    """The same for two names of one file; None where it cannot be opened at all."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
