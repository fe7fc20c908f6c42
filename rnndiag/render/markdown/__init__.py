"""A pull-request comment: the verdict, what was found, and the details of each file folded away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rnndiag.readings.words import counted
from rnndiag.render.base import Screen, by_kind, grade, length_advice, stale_entries
from rnndiag.render.concise import summary
from rnndiag.render.markdown import comparing, files
from rnndiag.render.markdown.escape import code, text
from rnndiag.render.markdown.parts import bullets, details, table
from rnndiag.report import FileReport, Report
from rnndiag.rules.base import SEVERITIES

ROOM = 60_000
"""Characters; GitHub takes 65,536 in a comment."""

SHOWN_ROWS = 100
"""Findings in the table, the serious ones first; a row is some 200 characters."""

SHOWN_NAMES = 10
"""Skipped files that are named for each reason, and stale entries of a baseline."""

HEADERS = ("", "code", "file", "layer", "finding")


def render(report: Report, _: Screen) -> str:
    """As much of it as fits in a comment, and a line that says what does not."""
    parts = [f"### rnndiag {report.command}", *_verdict(report), *_findings(report)]
    if report.command == "diff":
        parts += comparing.show(report)
        parts += [_skipped(report)] if report.skipped_files else []
        return "\n\n".join(parts) + "\n"
    parts += _accepted(report)
    if report.skipped_files:
        parts.append(_skipped(report))
    left = ROOM - sum(map(len, parts))
    folded = [files.show(report, file) for file in report.files if _is_worth_it(report, file)]
    for place, part in enumerate(folded):
        left -= len(part) + 2
        if left < 0:
            parts.append(f"… and {counted(len(folded) - place, 'file')} more: `--format json`")
            break
        parts.append(part)
    return "\n\n".join(part for part in parts if part) + "\n"


def _is_worth_it(report: Report, file: FileReport) -> bool:
    """A gate's clean files are counted, not shown."""
    return report.command != "check" or any(not one.accepted for one in file.findings)


def _verdict(report: Report) -> Iterator[str]:
    if report.command == "check":
        word, _, counts = summary(report).partition(": ")
        yield f"**{word}**: {counts}"
    yield bullets(length_advice(report))
    if report.failure is not None:
        yield f"{report.failure.code.value}: {text(report.failure.what)}"


def _findings(report: Report) -> Iterator[str]:
    rows = [row for file in report.files for row in _unread(file)]
    for severity in reversed(SEVERITIES):
        rows += [row for file in report.files for row in _rows(file, severity)]
    shown = _fitting(rows, ROOM * 2 // 3)
    if shown:
        yield table(HEADERS, shown)
    if len(rows) > len(shown):
        yield f"… and {len(rows) - len(shown)} more: `--format json` has all"


def _fitting(rows: Sequence[Sequence[str]], room: int) -> Sequence[Sequence[str]]:
    """The first of them, as many as are shown at most and as there is room for: names are long."""
    fitting: list[Sequence[str]] = []
    for row in rows[:SHOWN_ROWS]:
        room -= sum(len(cell) + len(" | ") for cell in row)
        if room < 0:
            break
        fitting.append(row)
    return fitting


def _unread(file: FileReport) -> Iterator[Sequence[str]]:
    if file.error is not None:
        what = text(f"{file.error.what}; {file.error.remedy}")
        yield ["**no verdict**", file.error.code.value, code(file.path), "", what]


def _rows(file: FileReport, wanted: str) -> Iterator[Sequence[str]]:
    shown = f"**{wanted}**" if wanted == "error" else wanted
    for finding in file.findings:
        if grade(finding) == wanted:
            layer, message = code(finding.layer), text(finding.message)
            yield [shown, finding.code, code(file.path), layer, message]


def _accepted(report: Report) -> Iterator[str]:
    """What a baseline covers, folded away, and what it need not cover any more."""
    rows = [row for file in report.files for row in _rows(file, "accepted")]
    if rows and report.baseline is not None:
        title = f"{counted(len(rows), 'finding')} accepted in {code(report.baseline.path)}"
        shown = _fitting(rows, ROOM // 6)
        more = f"… and {len(rows) - len(shown)} more" if len(rows) > len(shown) else ""
        yield details(title, [table(HEADERS, shown), more])
    if stale := stale_entries(report):
        rest = [f"and {len(stale) - SHOWN_NAMES} more"] if len(stale) > SHOWN_NAMES else []
        title = f"stale in the baseline: {counted(len(stale), 'finding')}"
        yield details(title, [bullets([*stale[:SHOWN_NAMES], *rest])])


def _skipped(report: Report) -> str:
    counts = counted(len(report.skipped_files), "file")
    return details(f"{counts} skipped", [bullets(by_kind(report.skipped_files, shown=SHOWN_NAMES))])
