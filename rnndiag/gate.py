"""Many files: named ones must give a verdict, those found in a folder may be no checkpoint."""

from __future__ import annotations

import functools
import glob
import os
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rnndiag.analysis import Request
from rnndiag.containers.failures import not_a_checkpoint
from rnndiag.containers.folders import is_distributed, is_empty, is_file, is_folder, is_there
from rnndiag.containers.safetensors_index import shards_in
from rnndiag.containers.standard_input import NAME as STANDARD_INPUT
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.paths import shown_path
from rnndiag.portable import portable
from rnndiag.progress import Silent
from rnndiag.report import FileReport, SkippedFile, report_file
from rnndiag.rules import Judging
from rnndiag.workers import Died, in_workers

if TYPE_CHECKING:
    from rnndiag.advice import AdviceRequest

SKIPPABLE = {InputCode.NOT_A_CHECKPOINT, InputCode.NO_RECURRENT_WEIGHTS}
"""What a file met in a folder may be without stopping the verdict."""


EMPTY_ON_PURPOSE = (".py", ".pyi", ".typed")
"""Endings of files that are often empty; any other empty file may have been a checkpoint."""


@dataclass(frozen=True)
class Batch:
    """How many files are gone through."""

    jobs: int | None = None
    """Processes; None: all in this one, so that one crash ends everything."""

    measures: bool = True
    """Whether the reports keep curves and eigenvalues, which thousands of files need not."""

    allow_empty: bool = False
    """Whether a pattern may match nothing."""

    skip_others: bool = False
    """Whether a named file, too, may hold no recurrent weights."""

    judging: Judging = field(default_factory=Judging)
    """Which rules judge which file."""

    advice: AdviceRequest | None = None
    """What advice is wanted on each; a gate needs none."""


@dataclass(frozen=True)
class _Candidate:
    """A file to look at."""

    path: str
    named: bool

    error: RnndiagError | None = None
    """Why there is nothing to look at."""


def check_paths(
    paths: Sequence[str], request: Request, batch: Batch | None = None
) -> tuple[tuple[FileReport, ...], tuple[SkippedFile, ...]]:
    """Measure every file once, sorted by path; returns the reports and what was skipped.

    Raises RnndiagError (RD001) for a folder that cannot be listed.
    """
    batch = batch or Batch()
    candidates = list(_candidates(paths, batch.allow_empty))
    reports: list[FileReport] = []
    skipped: list[SkippedFile] = []
    for candidate, report in zip(candidates, _reports(candidates, request, batch), strict=True):
        error = report.error
        if error is not None and error.code in _skippable(candidate, batch):
            skipped.append(SkippedFile(report.path, error.what, error.code))
        else:
            reports.append(report)
    return tuple(reports), tuple(skipped)


def _skippable(candidate: _Candidate, batch: Batch) -> Set[InputCode]:
    """What the file may be; a named one that is no checkpoint at all always needs a look."""
    if candidate.named:
        return {InputCode.NO_RECURRENT_WEIGHTS} if batch.skip_others else set()
    return SKIPPABLE


def _reports(
    candidates: Sequence[_Candidate], request: Request, batch: Batch
) -> Sequence[FileReport]:
    """In the order of the candidates, whoever is ready first."""
    if batch.jobs is None or len(candidates) < 2:
        return [_examine(candidate, request, batch) for candidate in candidates]
    progress, request = request.progress, replace(request, progress=Silent())
    progress.expect(len(candidates))
    task = functools.partial(_examine, request=request, batch=batch)
    made: dict[int, FileReport] = {}
    # Standard input is this process's alone.
    elsewhere = [n for n, candidate in enumerate(candidates) if candidate.path != STANDARD_INPUT]
    for place, answer in in_workers(task, [candidates[n] for n in elsewhere], batch.jobs):
        made[elsewhere[place]] = _alive(answer, candidates[elsewhere[place]])
        progress.advance(1)
    return [made.get(n) or task(candidate) for n, candidate in enumerate(candidates)]


def _examine(candidate: _Candidate, request: Request, batch: Batch) -> FileReport:
    shown = shown_path(candidate.path)
    if candidate.error is not None:
        return FileReport(shown, error=candidate.error)
    report = report_file(
        candidate.path,
        request,
        advice=batch.advice,
        shown_as=shown,
        named=candidate.named and not batch.skip_others,
        judging=batch.judging,
    )
    return portable(report, batch.measures)


def _alive(answer: FileReport | Died, candidate: _Candidate) -> FileReport:
    if not isinstance(answer, Died):
        return answer
    remedy = "check it by itself with RNNDIAG_DEBUG=1, and report what that says"
    error = RnndiagError(InputCode.INTERNAL, answer.what, remedy)
    return FileReport(shown_path(candidate.path), error=error)


def _candidates(paths: Sequence[str], allow_empty: bool) -> Iterator[_Candidate]:
    """Every file, sorted as it is shown; the same file once."""
    found: dict[str, _Candidate] = {}
    for path in paths:
        for candidate in _meant(path, allow_empty):
            known = found.get(candidate.path)
            if known is None or candidate.named:
                found[candidate.path] = candidate
    # Named under any of its names, a file must give a verdict.
    must = {_identity(path) for path, candidate in found.items() if candidate.named}
    seen: set[tuple[int, int] | None] = set()
    for path in sorted(found, key=lambda path: (shown_path(path), path)):
        identity = _identity(path)
        if identity is None or identity not in seen:
            seen.add(identity)
            candidate = found[path]
            yield replace(candidate, named=candidate.named or identity in must)


def _meant(path: str, allow_empty: bool) -> Iterator[_Candidate]:
    """A file by itself, a folder's files, a pattern's matches."""
    matches = [path]
    if glob.has_magic(path) and not is_there(path):
        matches = sorted(glob.glob(path, recursive=True))  # noqa: PTH207 (patterns as a shell has)
        if not matches and not allow_empty:
            yield _Candidate(path, named=True, error=_unmatched())
    for match in matches:
        if is_folder(match):
            yield from map(_met, _walk(match))
        else:
            yield _Candidate(match, named=True)


def _met(path: str) -> _Candidate:
    """A file of a folder; a Python package's marker is empty on purpose, not cut off."""
    marker = path.endswith(EMPTY_ON_PURPOSE) and is_empty(path)
    error = not_a_checkpoint("an empty Python file, not a checkpoint", "") if marker else None
    return _Candidate(path, named=False, error=error)


def _unmatched() -> RnndiagError:
    what = "no such file, and as a pattern it matches none"
    return RnndiagError(InputCode.CANNOT_OPEN, what, "check the path")


def _walk(folder: str) -> Iterator[str]:
    """Regular files below a folder; hidden ones are somebody else's, shards go with their index.

    A distributed checkpoint is one thing: its folder stands for it. Raises RnndiagError (RD001) for
    a folder that cannot be listed: what is in it was not checked.
    """
    for parent, folders, names in os.walk(folder, onerror=_cannot_list):
        if is_distributed(names):
            folders.clear()
            yield parent
            continue
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
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
