"""The rules' findings, the serious ones first, each with its remedy and what the rule means."""

from __future__ import annotations

from collections.abc import Iterator

from rnndiag.render.html.element import Child, Element, element
from rnndiag.render.html.parts import chip, folded, prose
from rnndiag.report import FileReport
from rnndiag.rules import RULES, Finding
from rnndiag.rules.base import SEVERITIES, Rule


def show(file: FileReport) -> Iterator[Child]:
    """A list, or the word that there are none."""
    if not file.findings:
        yield element("p", "No findings: every rule that could look at this file is content.")
        return
    serious = sorted(file.findings, key=lambda found: -SEVERITIES.index(found.severity))
    yield element("ul", [_finding(finding) for finding in serious], class_="findings")


def _finding(finding: Finding) -> Element:
    rule = next((rule for rule in RULES if rule.code == finding.code), None)
    return element(
        "li",
        element(
            "p",
            chip(finding.severity),
            " ",
            element("strong", finding.code if rule is None else f"{finding.code} {rule.title}"),
            " in ",
            element("code", finding.layer),
        ),
        element("p", *prose(finding.message)),
        element("p", element("b", "What to do: "), *prose(finding.remedy), class_="remedy"),
        None if rule is None else _about(rule),
    )


def _about(rule: Rule) -> Element:
    """The rule's own page."""
    paragraphs = (" ".join(part.split()) for part in rule.documentation.strip().split("\n\n"))
    return folded(
        f"About {rule.code}",
        [element("p", *prose(paragraph)) for paragraph in paragraphs],
        element("p", f"Threshold: {rule.bound}. Source: {rule.source}."),
    )
