"""The rules' findings, the serious ones first, each with its remedy and what the rule means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rnndiag.render.html.element import Child, Element, element
from rnndiag.render.html.parts import chip, folded, prose
from rnndiag.report import FileReport
from rnndiag.rules import RULES, Finding, Limits
from rnndiag.rules.base import SEVERITIES, Rule


def show(file: FileReport) -> Iterator[Child]:
    """One entry a rule and severity, or the word that there is none."""
    if not file.findings:
        judged, others = len(file.judged), len(file.not_applicable)
        yield element("p", f"None. {judged} of {judged + others} rules could judge this file.")
        return
    groups: dict[tuple[int, str], list[Finding]] = {}
    for finding in file.findings:
        rank = -SEVERITIES.index(finding.severity)
        groups.setdefault((rank, finding.code), []).append(finding)
    yield element(
        "ul", [_group(groups[key], file.limits) for key in sorted(groups)], class_="findings"
    )


def _group(findings: Sequence[Finding], limits: Limits) -> Element:
    """What one rule says of all layers, a remedy under what it is for."""
    first = findings[0]
    rule = next((rule for rule in RULES if rule.code == first.code), None)
    title = first.code if rule is None else f"{first.code} {rule.title}"
    remedies: dict[str, list[Finding]] = {}
    for finding in findings:
        remedies.setdefault(finding.remedy, []).append(finding)
    return element(
        "li",
        element("p", chip(first.severity), " ", element("strong", title)),
        [part for remedy, those in remedies.items() for part in _said(those, remedy)],
        None if rule is None else _about(replace(rule, limit=limits[rule.code])),
    )


def _said(findings: Sequence[Finding], remedy: str) -> Iterator[Element]:
    for finding in findings:
        yield element("p", element("code", finding.layer), ": ", *prose(finding.message))
    yield element("p", element("b", "What to do: "), *prose(remedy), class_="remedy")


def _about(rule: Rule) -> Element:
    """The rule's own page."""
    paragraphs = (" ".join(part.split()) for part in rule.documentation.strip().split("\n\n"))
    return folded(
        f"About {rule.code}",
        [element("p", *prose(paragraph)) for paragraph in paragraphs],
        element("p", f"Threshold: {rule.bound}. Source: {rule.source}."),
    )
