"""SARIF 2.1.0, for code scanning: what was found, what could not be read, what was skipped.

Keys are those of the OASIS standard. A file that gives no verdict is a result, because code
scanning shows nothing else, and a notification of the run, where the standard wants it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from urllib.parse import quote

from rnndiag._version import __version__
from rnndiag.errors import INPUT_CODES, RnndiagError
from rnndiag.escape import printable
from rnndiag.render.base import Screen, stale_entries
from rnndiag.render.json.plain import Object, plain
from rnndiag.report import FileReport, Report
from rnndiag.rules import RULES, Finding, Rule

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)

_PLACES = {rule.code: place for place, rule in enumerate(RULES)} | {
    code.value: len(RULES) + place for place, code in enumerate(INPUT_CODES)
}
"""Index of every code in the driver's rules."""


def render(report: Report, _: Screen) -> str:
    """One run with every finding of every file."""
    run = {
        "tool": {"driver": _driver()},
        "invocations": [_invocation(report)],
        "results": [result for file in report.files for result in _results(report, file)],
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(plain(log), indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def _driver() -> Object:
    unread = [{"id": code.value, **_texts(text, text)} for code, text in INPUT_CODES.items()]
    for descriptor in unread:
        descriptor["defaultConfiguration"] = {"level": "error"}
    return {
        "name": "rnndiag",
        "version": __version__,
        "rules": [*map(_rule, RULES), *unread],
        "notifications": [{"id": code.value, **_texts(t, t)} for code, t in INPUT_CODES.items()],
    }


def _rule(rule: Rule) -> Object:
    words = rule.title.replace("-", " ").split()
    documentation = rule.documentation.strip()
    help_text = f"{documentation}\n\nThreshold: {rule.bound}.\nSource: {rule.source}."
    return {
        "id": rule.code,
        "name": "".join(word.capitalize() for word in words),
        **_texts(rule.title, documentation.partition("\n\n")[0]),
        "help": {"text": help_text, "markdown": help_text},
        "defaultConfiguration": {"level": rule.severity},
    }


def _texts(title: str, text: str) -> Object:
    return {"shortDescription": {"text": title}, "fullDescription": {"text": text}}


def _results(report: Report, file: FileReport) -> Iterator[Object]:
    if file.error is not None:
        code = file.error.code.value
        said = f"{file.error.what}; {file.error.remedy}"
        made = _result(file.path, code, "error", said, "")
        yield {**made, **_standing(report, None)}
    for finding in file.findings:
        said = f"{finding.layer}: {finding.message}; {finding.remedy}"
        made = _result(file.path, finding.code, finding.severity, said, finding.layer)
        yield {
            **made,
            **_standing(report, finding),
            "properties": {"evidence": finding.evidence},
        }


def _standing(report: Report, finding: Finding | None) -> Object:
    """Beside a baseline every result has a state, and a list of suppressions, if an empty one."""
    if report.baseline is None:
        return {}
    standing = None if finding is None else finding.standing
    if finding is None or standing is None or standing.state == "new":
        return {"baselineState": "new", "suppressions": []}
    same = finding.accepted and finding.value == standing.accepted_value
    why = f"accepted in {report.baseline.path}"
    suppression = {"kind": "external", "status": "accepted", "justification": printable(why)}
    return {
        "baselineState": "unchanged" if same else "updated",
        "suppressions": [suppression] if finding.accepted else [],
    }


def _result(path: str, code: str, level: str, said: str, layer: str) -> Object:
    location: Object = {
        "physicalLocation": {"artifactLocation": {"uri": uri(path)}, "region": {"startLine": 1}}
    }
    if layer:
        name = printable(layer)
        location["logicalLocations"] = [
            {"name": name, "fullyQualifiedName": name, "kind": "member"}
        ]
    return {
        "ruleId": code,
        "ruleIndex": _PLACES[code],
        "level": level,
        "message": _message(said),
        "locations": [location],
        "partialFingerprints": {"primaryLocationLineHash": _fingerprint(path, code, layer)},
    }


def _fingerprint(path: str, code: str, layer: str) -> str:
    """Of what stays when a checkpoint is trained on: an alert is opened once, not for each file.

    In the form of the line hashes that code scanning would else compute from the bytes.
    """
    identity = "\n".join((uri(path), code, printable(layer)))
    return f"{hashlib.sha256(identity.encode()).hexdigest()[:16]}:1"


def uri(path: str) -> str:
    """Relative, with forward slashes, percent-encoded; an absolute path has its scheme.

    >>> uri("runs/a b#1.pt"), uri("/elsewhere/a.pt")
    ('runs/a%20b%231.pt', 'file:///elsewhere/a.pt')
    """
    encoded = quote(os.fsencode(path.replace(os.sep, "/")), safe="/")
    return f"file://{encoded}" if path.startswith("/") else encoded


def _message(text: str) -> Object:
    """Plain text: braces and brackets, which begin placeholders and links, stand for themselves."""
    harmless = printable(text).replace("{", "{{").replace("}", "}}")
    return {"text": harmless.replace("[", "\\[").replace("]", "\\]")}


def _invocation(report: Report) -> Object:
    return {
        "executionSuccessful": report.status != "no-verdict",
        "exitCode": int(report.exit_code),
        "toolExecutionNotifications": [*_notifications(report)],
    }


def _notifications(report: Report) -> Iterator[Object]:
    if report.failure is not None:
        yield _notification("error", report.failure)
    for file in report.files:
        if file.error is not None:
            yield {**_notification("error", file.error), **_where(file.path)}
    for skipped in report.skipped_files:
        message = _message(f"skipped: {skipped.reason}")
        yield {"level": "note", "message": message, **_where(skipped.name)}
    # Not as results that are absent: code scanning shows every result as an open alert.
    for text in stale_entries(report):
        yield {"level": "note", "message": _message(text)}


def _notification(level: str, error: RnndiagError) -> Object:
    return {
        "descriptor": {"id": error.code.value},
        "level": level,
        "message": _message(f"{error.what}; {error.remedy}"),
    }


def _where(path: str) -> Object:
    return {"locations": [{"physicalLocation": {"artifactLocation": {"uri": uri(path)}}}]}
