"""The verdict: 2 beats 1, severities, and errors as part of the report."""

from __future__ import annotations

import itertools

import pytest
from cli.command import FIXTURES

from rnndiag.advice import AdviceRequest
from rnndiag.analysis import Request
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.report import ExitCode, FileReport, Report, report_file
from rnndiag.rules.base import SEVERITIES, Finding
from rnndiag.tracing import TraceRequest

ERROR = FileReport("bad", error=RnndiagError(InputCode.DAMAGED, "what", "remedy"))


def found(*severities):
    return FileReport("f", findings=tuple(Finding("RD1", s, "l", "m", "r") for s in severities))


@pytest.mark.parametrize(
    ("severity", "fail_on"), list(itertools.product(SEVERITIES, ["error", "warning", "never"]))
)
def test_severity_against_fail_on(severity, fail_on):
    report = Report("check", {}, (found(severity),), fail_on=fail_on)
    rank = {"note": 0, "warning": 1, "error": 2, "never": 3}
    assert report.exit_code == int(rank[severity] >= rank[fail_on])
    assert (report.exit_code is ExitCode.FINDINGS) <= (report.status == "findings")


def test_no_verdict_beats_findings_at_any_level():
    for fail_on in ("error", "warning", "never"):
        for files in ((ERROR,), (ERROR, found("error")), (found("error"), ERROR), ()):
            report = Report("check", {}, files, fail_on=fail_on)
            assert report.exit_code is ExitCode.NO_VERDICT
            assert report.status == "no-verdict"


def test_a_clean_file_is_clean():
    report = Report("check", {}, (found(),), fail_on="warning")
    assert (report.exit_code, report.status) == (0, "clean")


def test_never_still_says_what_was_found():
    assert Report("check", {}, (found("warning"),), fail_on="never").status == "findings"
    assert Report("check", {}, (found("note"),), fail_on="never").status == "clean"


def test_findings_of_all_files_in_order():
    report = Report("check", {}, (found("note"), found("error", "warning")))
    assert [f.severity for f in report.findings] == ["note", "error", "warning"]


def test_a_file_that_cannot_be_read_is_reported():
    file = report_file("missing.pt", Request(), shown_as="shown.pt")
    assert (file.path, file.error.code, file.result) == ("shown.pt", InputCode.CANNOT_OPEN, None)


def test_advice_only_where_it_is_wanted():
    path = str(FIXTURES / "delayed_recall_gru.pt")
    request = Request(trace=TraceRequest(seq_len=20, batch=1))
    assert report_file(path, request).advice is None
    assert report_file(path, request, AdviceRequest()).advice is not None
