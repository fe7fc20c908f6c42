"""Annotations of a pull request, as workflow commands; the step summary is another format's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rnndiag.escape import printable
from rnndiag.render.base import Screen, length_advice, stale_entries
from rnndiag.render.concise import summary
from rnndiag.report import FileReport, Report
from rnndiag.rules.base import Severity

LEVELS: dict[Severity, str] = {"error": "error", "warning": "warning", "note": "notice"}

RANK = tuple(LEVELS.values())
"""Serious ones first: only ten of each level are shown for a step, the summary has all."""


class Annotation(NamedTuple):
    """One workflow command."""

    level: str
    path: str
    title: str
    message: str

    def line(self) -> str:
        """As the runner reads it."""
        where = f"file={_property(self.path)}," if self.path else ""
        return f"::{self.level} {where}title={_property(self.title)}::{_data(self.message)}"


def render(report: Report, _: Screen) -> str:
    """A line for each finding and for each file without a verdict, then the counts.

    What a baseline accepts is counted: ten annotations of a level are shown, and none is to spare.
    """
    # Only what comes first: what else is said of lengths stands in the summary.
    annotations = [Annotation("notice", "", "length", s) for s in length_advice(report)[:1]]
    annotations += [one for file in report.files for one in _of_file(file)]
    if report.failure is not None:
        what = f"{report.failure.what}; {report.failure.remedy}"
        annotations.append(Annotation("error", "", report.failure.code.value, what))
    annotations += [
        Annotation("notice", "", "stale baseline entry", text) for text in stale_entries(report)
    ]
    annotations.sort(key=lambda one: RANK.index(one.level))
    lines = [one.line() for one in annotations]
    return "".join(f"{line}\n" for line in (*lines, summary(report)))


def _of_file(file: FileReport) -> Iterator[Annotation]:
    if file.error is not None:
        what = f"{file.error.what}; {file.error.remedy}"
        yield Annotation("error", file.path, f"{file.error.code.value} no verdict", what)
    for finding in (found for found in file.findings if not found.accepted):
        yield Annotation(
            LEVELS[finding.severity],
            file.path,
            f"{finding.code} in {finding.layer}",
            f"{finding.message}; {finding.remedy}",
        )


def _data(text: str) -> str:
    return printable(text).replace("%", "%25")


def _property(text: str) -> str:
    """The value of a property, which ends at a comma or a colon.

    >>> _property("a,b: 100%")
    'a%2Cb%3A 100%25'
    """
    return _data(text).replace(":", "%3A").replace(",", "%2C")
