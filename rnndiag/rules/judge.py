"""From one file's results to its findings, and to the rules that could not judge it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnndiag.analysis import FileResult
from rnndiag.rules.base import Finding, Rule
from rnndiag.rules.needs import Missing
from rnndiag.rules.registry import RULES


@dataclass(frozen=True)
class NotApplicable:
    """A rule that could not judge a file."""

    code: str
    reason: str

    unchecked: bool = False
    """Whether there is something to judge that could not be looked at, rather than nothing."""


@dataclass(frozen=True)
class Judgement:
    """What the rules say of one file."""

    findings: tuple[Finding, ...] = ()
    """Sorted by layer, then code."""

    judged: tuple[str, ...] = ()
    """Codes of the rules that looked at it."""

    not_applicable: tuple[NotApplicable, ...] = ()
    """Those that could not, by code."""


def judge(result: FileResult, rules: Sequence[Rule] = RULES) -> Judgement:
    """Let every rule look at one file that has what the rule needs."""
    missing = {rule.code: _missing(result, rule) for rule in rules}
    able = [rule for rule in rules if missing[rule.code] is None]
    order = {item.layer.label: place for place, item in enumerate(result.layers)}
    findings = _strongest(
        [(rule, finding) for rule in able for finding in rule.check(result, rule)]
    )
    return Judgement(
        tuple(sorted(findings, key=lambda f: (order.get(f.layer, len(order)), f.layer, f.code))),
        tuple(rule.code for rule in able),
        tuple(
            NotApplicable(code, none.reason, none.unchecked)
            for code, none in missing.items()
            if none is not None
        ),
    )


def _strongest(made: Sequence[tuple[Rule, Finding]]) -> list[Finding]:
    """Without those that another rule's finding in the same layer contains."""
    given = {(finding.code, finding.layer) for _, finding in made}
    return [
        finding
        for rule, finding in made
        if not any((code, finding.layer) in given for code in rule.yields_to)
    ]


def _missing(result: FileResult, rule: Rule) -> Missing | None:
    """The first thing that the rule needs and the file's results do not have."""
    found = (need.missing(result) for need in rule.needs)
    return next((none for none in found if none is not None), None)
