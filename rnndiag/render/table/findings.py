"""The table of findings, and the lines of a gate."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from rnndiag.escape import printable
from rnndiag.render.base import by_kind
from rnndiag.render.concise import summary
from rnndiag.render.table.parts import SEVERITY_STYLES, bullets, table
from rnndiag.report import FileReport, Report
from rnndiag.rules import Finding

SHOWN_NAMES = 3
"""Skipped files that are named for each reason; concise and JSON have all of them."""


def show(file: FileReport) -> Iterator[RenderableType]:
    """One row a finding, its remedy under its message; then the rules that could not judge."""
    yield _rows(file) if file.findings else Text("no findings", style="green")
    yield from _not_applicable(file)


def _rows(file: FileReport) -> RenderableType:
    made = table(
        "code", "severity", "layer", "finding", left=("code", "severity", "layer", "finding")
    )
    for finding in file.findings:
        made.add_row(
            finding.code,
            _severity(finding),
            Text(printable(finding.layer)),
            Text(f"{printable(finding.message)}\n{printable(finding.remedy)}"),
        )
    return made


def _not_applicable(file: FileReport) -> Iterator[RenderableType]:
    """Which rules could not judge the file, by reason."""
    by_reason: dict[str, list[str]] = {}
    for rule in file.not_applicable:
        by_reason.setdefault(rule.reason, []).append(rule.code)
    for reason, codes in by_reason.items():
        yield Text(f"not applicable: {', '.join(codes)} ({printable(reason)})", style="dim")


def list_codes(file: FileReport) -> Iterator[RenderableType]:
    """One line a finding, for commands that have said the same in their own words."""
    for finding in file.findings:
        yield Text.assemble(
            f"{finding.code} ",
            _severity(finding),
            f" in {printable(finding.layer)}: rnndiag explain {finding.code}",
        )


def _severity(finding: Finding) -> Text:
    return Text(finding.severity, style=SEVERITY_STYLES[finding.severity])


def closing(report: Report) -> Iterator[RenderableType]:
    """What a gate ends with."""
    yield bullets(by_kind(report.skipped_files, shown=SHOWN_NAMES))
    style = {"clean": "bold green", "findings": "bold red", "no-verdict": "bold yellow"}
    yield Text(summary(report), style=style[report.status])
    if report.findings:
        yield Text("what a code means: rnndiag explain CODE")
