"""What a gate ends with: remedies, files that are only counted, and the verdict."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from rnndiag.readings.words import counted
from rnndiag.render.base import by_kind, length_advice, stale_entries
from rnndiag.render.concise import summary
from rnndiag.render.table.parts import bullets
from rnndiag.report import FileReport, Report

SHOWN_NAMES = 3
"""Files that are named for each reason; concise and JSON have all of them."""


def is_clean(file: FileReport) -> bool:
    """Whether there is nothing to say of a file: among others it is only counted."""
    unchecked = any(rule.unchecked for rule in file.not_applicable)
    return file.error is None and not file.findings and not unchecked


def show(report: Report) -> Iterator[RenderableType]:
    """Each remedy once, counts by reason, the verdict."""
    yield from _remedies(report)
    yield bullets(_counted(report))
    style = {"clean": "bold green", "findings": "bold red", "no-verdict": "bold yellow"}
    yield Text(summary(report), style=style[report.status])
    if report.findings:
        yield Text("what a code means: rnndiag explain CODE")


def skipped(report: Report) -> RenderableType:
    """What folders held besides, by reason."""
    return bullets(by_kind(report.skipped_files, shown=SHOWN_NAMES))


def _remedies(report: Report) -> Iterator[RenderableType]:
    """By rule, and not beside every finding: layers of one network share them."""
    found = {(one.code, one.remedy) for one in report.findings if not one.accepted}
    # What is said of an assumed length need not hold at the network's own: that comes first.
    to_do = [*length_advice(report), *(f"{code}: {remedy}" for code, remedy in sorted(found))]
    if to_do:
        yield Text("what to do", style="bold")
        yield bullets(to_do)
        yield Text("")


def _counted(report: Report) -> Iterator[str]:
    clean = [file.path for file in report.files if is_clean(file)]
    if len(report.files) > 1 and clean:
        more = f" and {len(clean) - SHOWN_NAMES} more" if len(clean) > SHOWN_NAMES else ""
        yield f"{len(clean)} without findings: {', '.join(clean[:SHOWN_NAMES])}{more}"
    yield from by_kind(report.skipped_files, shown=SHOWN_NAMES)
    yield from stale_entries(report)
    yield from _not_applicable(report)


def _not_applicable(report: Report) -> Iterator[str]:
    """Rules that had nothing of their kind to look at, in one sentence for all files."""
    absent = [rule for file in report.files for rule in file.not_applicable if not rule.unchecked]
    if absent:
        codes = {rule.code for rule in absent}
        reasons = ", ".join(sorted({rule.reason for rule in absent}))
        where = "" if len(report.files) == 1 else "to some files "
        yield f"{counted(len(codes), 'rule')} not applicable {where}({reasons})"
