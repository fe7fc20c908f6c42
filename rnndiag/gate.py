"""Many files: named ones must give a verdict, those met in a folder may be something else."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rnndiag.analysis import Request
from rnndiag.candidates import Candidate, candidates_of
from rnndiag.claims import stops
from rnndiag.containers.standard_input import NAME as STANDARD_INPUT
from rnndiag.errors import Content, InputCode, RnndiagError
from rnndiag.paths import shown_path
from rnndiag.portable import portable
from rnndiag.progress import Silent
from rnndiag.report import FileReport, SkippedFile, report_file
from rnndiag.rules import Judging
from rnndiag.rules.rd104 import RULE as UNMEASURED
from rnndiag.workers import Died, in_workers

if TYPE_CHECKING:
    from rnndiag.advice import AdviceRequest

ALL_OFF = "every rule is switched off for it"
"""Why a file that can be measured is skipped: passed without a rule, it would look clean."""


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

    allow_unmeasured: bool = False
    """Whether a file may certainly hold recurrences of which none can be measured."""

    compares: bool = False
    """Whether files are set side by side: each needs layers, whose values stay to be loaded."""

    judging: Judging = field(default_factory=Judging)
    """Which rules judge which file."""

    advice: AdviceRequest | None = None
    """What advice is wanted on each; a gate needs none."""

    @property
    def is_gate(self) -> bool:
        """Whether files are gone through to be judged, and for nothing else."""
        return self.advice is None and not self.compares


def check_paths(
    paths: Sequence[str], request: Request, batch: Batch | None = None
) -> tuple[tuple[FileReport, ...], tuple[SkippedFile, ...]]:
    """Measure every file once, sorted by path; returns the reports and what was skipped.

    What cannot be looked into is a report with its error, like a file that cannot be read.
    """
    batch = batch or Batch()
    return check_candidates(list(candidates_of(paths, batch.allow_empty)), request, batch)


def check_candidates(
    candidates: Sequence[Candidate], request: Request, batch: Batch
) -> tuple[tuple[FileReport, ...], tuple[SkippedFile, ...]]:
    """The same of files that were found already, in their order."""
    if batch.allow_unmeasured:
        batch = replace(batch, judging=batch.judging.with_severity(UNMEASURED.code, "note"))
    reports: list[FileReport] = []
    skipped: list[SkippedFile] = []
    for candidate, report in zip(candidates, _reports(candidates, request, batch), strict=True):
        error = report.error
        if error is not None and not _must_be_told(candidate, error, batch):
            skipped.append(SkippedFile(report.path, error.what, error.code))
        elif error is None and batch.is_gate and not report.was_asked_about:
            skipped.append(SkippedFile(report.path, ALL_OFF, InputCode.USAGE))
        else:
            reports.append(report)
    return tuple(reports), tuple(skipped)


def _must_be_told(candidate: Candidate, error: RnndiagError, batch: Batch) -> bool:
    """Whether there is no verdict because of it; a named file that is not read always needs one."""
    if candidate.named:
        return not (batch.skip_others and error.content is Content.NO_RECURRENCE)
    return stops(candidate.path, error)


def _reports(
    candidates: Sequence[Candidate], request: Request, batch: Batch
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


def _examine(candidate: Candidate, request: Request, batch: Batch) -> FileReport:
    shown = shown_path(candidate.path)
    if candidate.error is not None:
        return FileReport(shown, error=candidate.error)
    report = report_file(
        candidate.path,
        request,
        advice=batch.advice,
        shown_as=shown,
        named=batch.compares or (candidate.named and not batch.skip_others),
        judging=batch.judging,
        allow_unmeasured=batch.allow_unmeasured,
    )
    return report if batch.compares else portable(report, batch.measures)


def _alive(answer: FileReport | Died, candidate: Candidate) -> FileReport:
    if not isinstance(answer, Died):
        return answer
    remedy = "check it by itself with RNNDIAG_DEBUG=1, and report what that says"
    error = RnndiagError(InputCode.INTERNAL, answer.what, remedy)
    return FileReport(shown_path(candidate.path), error=error)
