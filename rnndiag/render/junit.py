"""JUnit XML, which CI servers show as tests: a suite is a file, a case is a rule."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from rnndiag.errors import RnndiagError
from rnndiag.escape import printable
from rnndiag.render.base import Screen, grade, stale_entries
from rnndiag.report import FileReport, Report
from rnndiag.rules import RULES, Finding, Rule

COUNTED = {"failures": "failure", "errors": "error", "skipped": "skipped"}
"""Attributes of a suite, and the elements they count."""


def render(report: Report, _: Screen) -> str:
    """Findings that fail the gate are failures, others are said in the case's output.

    A file without a verdict is an error; a rule that had nothing to look at is skipped. In ASCII,
    so that it means the same whatever it is piped through.
    """
    root = ET.Element("testsuites", name="rnndiag check")
    for file in report.files:
        _suite(root, file.path, [*_cases(report, file)])
    if report.failure is not None:
        _suite(root, "rnndiag check", [_no_verdict(report.failure, "rnndiag check")])
    if report.skipped_files:
        skipped = [
            _skipped(_case("is a checkpoint", s.name), s.reason) for s in report.skipped_files
        ]
        _suite(root, "files that are no recurrent checkpoint", skipped)
    if stale := stale_entries(report):
        entries = [_skipped(_case("is still found", "baseline"), text) for text in stale]
        _suite(root, "stale baseline entries", entries)
    _count(root)
    ET.indent(root, " ")
    text = ET.tostring(root, encoding="us-ascii", xml_declaration=False).decode("ascii")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def _suite(root: ET.Element, name: str, cases: Sequence[ET.Element]) -> None:
    suite = ET.SubElement(root, "testsuite", name=printable(name))
    suite.extend(cases)
    _count(suite)


def _count(element: ET.Element) -> None:
    """What a server reads before the cases."""
    element.set("tests", str(len(element.findall(".//testcase"))))
    for attribute, tag in COUNTED.items():
        element.set(attribute, str(len(element.findall(f".//{tag}"))))


def _cases(report: Report, file: FileReport) -> list[ET.Element]:
    if file.error is not None:
        return [_no_verdict(file.error, file.path)]
    missing = {none.code: none.reason for none in file.not_applicable}
    asked = [rule for rule in RULES if rule.code in missing or rule.code in file.judged]
    return [_of_rule(report, file, rule, missing.get(rule.code)) for rule in asked]


def _case(name: str, path: str) -> ET.Element:
    return ET.Element("testcase", name=name, classname=printable(path))


def _no_verdict(error: RnndiagError, path: str) -> ET.Element:
    case = _case(f"{error.code.value} no verdict", path)
    message = printable(f"{error.what}; {error.remedy}")
    ET.SubElement(case, "error", type=error.code.value, message=message)
    return case


def _skipped(case: ET.Element, why: str) -> ET.Element:
    ET.SubElement(case, "skipped", message=printable(why))
    return case


def _of_rule(report: Report, file: FileReport, rule: Rule, missing: str | None) -> ET.Element:
    case = _case(f"{rule.code} {rule.title}", file.path)
    if missing is not None:
        return _skipped(case, missing)
    found = [finding for finding in file.findings if finding.code == rule.code]
    failing = [finding for finding in found if report.fails(finding)]
    if failing:
        message = printable("; ".join(f"{f.layer}: {f.message}" for f in failing))
        failure = ET.SubElement(case, "failure", type=failing[0].severity, message=message)
        failure.text = "".join(map(_line, failing))
    passing = [finding for finding in found if finding not in failing]
    if passing:
        ET.SubElement(case, "system-out").text = "".join(map(_line, passing))
    return case


def _line(finding: Finding) -> str:
    where, what = printable(finding.layer), printable(finding.message)
    return f"{grade(finding)} in {where}: {what}; {printable(finding.remedy)}\n"
