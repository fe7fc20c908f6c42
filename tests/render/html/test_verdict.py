"""What the page says of a gate: with --fail-on as given, what a baseline accepts left out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cli.command import FIXTURES
from render.html.parsed import parsed
from render.reports import measured

from rnndiag.render import Screen, renderer
from rnndiag.report import Report
from rnndiag.rules import Finding, Standing

FILE = measured(FIXTURES / "delayed_recall_gru.pt")


def said(*severities, fail_on="never", accepted=False, layers=True):
    """The page's words on a gate, of a file with findings of these severities."""
    standing = Standing("accepted") if accepted else None
    findings = tuple(
        Finding(f"RD30{number}", severity, "rnn/0/forward", "m", "r", standing=standing)
        for number, severity in enumerate(severities)
    )
    file = replace(FILE, findings=findings)
    if not layers:
        file = replace(file, result=replace(FILE.result, layers=()))
    page = renderer("html")(Report("report", {}, (file,), fail_on=fail_on), Screen())
    words = " ".join(parsed(page.removeprefix("<!DOCTYPE html>\n")).text.split())
    return words[words.index("rnndiag check") :]


@pytest.mark.parametrize(
    ("severities", "fail_on", "ends"),
    [
        ((), "never", "pass with --fail-on error or warning."),
        (("note",), "warning", "pass with --fail-on warning."),
        (("warning",), "never", "pass with --fail-on error, its default, and fail with warning"),
        (("warning",), "error", "pass with --fail-on error."),
        (("warning",), "warning", "fail with --fail-on warning, unless a baseline accepts them."),
        (("error",), "never", "fail with --fail-on error or warning, unless"),
        (("note", "error"), "error", "fail with --fail-on error, unless"),
    ],
)
def test_the_threshold_in_force_decides(severities, fail_on, ends):
    words = said(*severities, fail_on=fail_on)
    assert words.startswith(f"rnndiag check would {ends}")


@pytest.mark.parametrize("fail_on", ["never", "error", "warning"])
def test_what_a_baseline_accepts_stops_nothing(fail_on):
    assert said("error", fail_on=fail_on, accepted=True).startswith("rnndiag check would pass")


def test_without_a_measured_layer_there_is_no_verdict():
    assert said(layers=False).startswith("rnndiag check gives no verdict on this file")
