"""The table of findings, and the lines of a gate."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from rnndiag.escape import printable
from rnndiag.readings.words import counted
from rnndiag.render.base import grade
from rnndiag.render.table.parts import SEVERITY_STYLES
from rnndiag.report import FileReport
from rnndiag.rules import RULES, Finding, NotApplicable

SHOWN_NOTES = 2
"""Notes of one rule that get a row in a file; a deep network has one for every layer, and they
decide nothing. concise and JSON have all."""

NAMED_CODES = 4
"""Rules that are named in one line; more of them are counted."""


def show(file: FileReport) -> Iterator[RenderableType]:
    """Findings by layer; then what was accepted before, and what was not checked."""
    shown, more = _shown([finding for finding in file.findings if not finding.accepted])
    yield from _by_layer(shown)
    if not file.findings:
        yield Text(" no findings", style="green")
    if more:
        yield Text(f" and {counted(len(more), 'note')} more: {_by_code(more)}", style="dim")
    if accepted := [finding for finding in file.findings if finding.accepted]:
        yield Text(f" accepted in the baseline: {_by_code(accepted)}", style="dim")
    yield from _not_checked(file)
    yield Text("")


def list_codes(file: FileReport) -> Iterator[RenderableType]:
    """One line a rule, for commands that have said the same in their own words."""
    by_rule: dict[tuple[str, str], list[Finding]] = {}
    for finding in file.findings:
        by_rule.setdefault((finding.code, grade(finding)), []).append(finding)
    titles = {rule.code: rule.title for rule in RULES}
    for (code, _), found in by_rule.items():
        where = printable(found[0].layer) if len(found) == 1 else f"{len(found)} layers"
        yield Text.assemble(
            f"{code} ", _grade(found[0]), f" in {where}: {titles[code]}; rnndiag explain {code}"
        )


def _shown(findings: Iterable[Finding]) -> tuple[list[Finding], list[Finding]]:
    """Those that get a row, and the notes that are only counted."""
    shown: list[Finding] = []
    more: list[Finding] = []
    seen: Counter[str] = Counter()
    for finding in findings:
        seen[finding.code] += finding.severity == "note"
        (more if seen[finding.code] > SHOWN_NOTES else shown).append(finding)
    return shown, more


def _by_layer(findings: Iterable[Finding]) -> Iterator[RenderableType]:
    """The layer, and below it a row for each finding: names of layers are long."""
    for layer, found in itertools.groupby(findings, key=lambda finding: finding.layer):
        yield Text(f" {printable(layer)}")
        grid = Table.grid(padding=(0, 2, 0, 0))
        for width in (0, len("RD000"), len("accepted")):
            grid.add_column(no_wrap=True, min_width=width)
        grid.add_column(overflow="fold")
        for finding in found:
            grid.add_row("", finding.code, _grade(finding), Text(printable(finding.message)))
        yield grid


def _by_code(findings: Iterable[Finding]) -> str:
    """Name the rules, and in how many layers each of them was found."""
    counts = Counter(finding.code for finding in findings)
    return ", ".join(
        code if count == 1 else f"{code} in {count} layers" for code, count in counts.items()
    )


def _not_checked(file: FileReport) -> Iterator[RenderableType]:
    """Rules that had something to look at and could not, by reason."""
    for reason, codes in by_reason(rule for rule in file.not_applicable if rule.unchecked):
        yield Text(f" not checked: {named(codes)} ({printable(reason)})", style="yellow")


def by_reason(rules: Iterable[NotApplicable]) -> Iterable[tuple[str, Sequence[str]]]:
    """Each reason with the codes of its rules."""
    found: dict[str, list[str]] = {}
    for rule in rules:
        found.setdefault(rule.reason, []).append(rule.code)
    return found.items()


def named(codes: Sequence[str]) -> str:
    """A few codes, else how many there are.

    >>> named(["RD101", "RD102"]), named(["RD101"] * 5)
    ('RD101, RD102', '5 rules')
    """
    return ", ".join(codes) if len(codes) <= NAMED_CODES else f"{len(codes)} rules"


def _grade(finding: Finding) -> Text:
    return Text(grade(finding), style=SEVERITY_STYLES[finding.severity])
