"""A gate's table: short, by layer, remedies once, and what was not checked in sight."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from cli.command import FIXTURES
from render.reports import NASTY, baseline_report, fixture_file, gate_report, measured, named
from torch import nn

from rnndiag.analysis import Request
from rnndiag.render import Screen, renderer
from rnndiag.render.table.findings import SHOWN_NOTES
from rnndiag.report import Report, report_file
from rnndiag.rules import Finding, NotApplicable
from rnndiag.tracing import TraceRequest

render = renderer("table")


def shown(report: Report, width: int = 100) -> str:
    return render(report, Screen(width))


def with_findings(*findings: Finding, path: str = "m.pt", **changes) -> Report:
    file = fixture_file("delayed_recall_gru.pt")
    return Report("check", {}, (replace(file, path=path, findings=findings, **changes),))


def test_findings_stand_below_their_layer():
    found = [Finding("RD301", "error", layer, "words", "do it") for layer in ("a/0", "a/0", "b/0")]
    lines = shown(with_findings(*found)).splitlines()[1:]
    row = "  RD301  error     words"
    assert lines[:5] == [" a/0", row, row, " b/0", row]


def test_a_remedy_is_said_once():
    report = gate_report()
    text = " ".join(shown(report).split())
    for code, remedy in {(f.code, f.remedy) for f in report.findings}:
        assert text.count(remedy) == 1
        assert f"- {code}: {remedy}" in text


def test_notes_of_many_layers_are_counted(tmp_path):
    path = named(tmp_path / "m.pt", "x", nn.LSTM(3, 4, num_layers=3, bidirectional=True))
    file = measured(path, seq_len=None)
    notes = [f for f in file.findings if f.code == "RD302"]
    assert {f.severity for f in notes} == {"note"}
    assert len(notes) == 6
    text = shown(Report("check", {}, (file,)))
    assert text.count("  RD302  note") == SHOWN_NOTES
    assert "notes more: RD302 in 4 layers" in text
    # Once they are warnings, each of them has its row.
    warned = replace(file, findings=tuple(replace(f, severity="warning") for f in file.findings))
    assert shown(Report("check", {}, (warned,))).count("  RD302  warning") == 6


def test_rules_without_anything_of_their_kind_take_one_line():
    gru, rnn = fixture_file("delayed_recall_gru.pt"), fixture_file("char_rnn.pt")
    line = "- 6 rules not applicable (no LSTM, no plain RNN, no probe)\n"
    assert line in shown(Report("check", {}, (gru,)))
    text = shown(Report("check", {}, (gru, rnn)))
    assert text.count("not applicable") == 1
    some = (
        "- 7 rules not applicable to some files (no LSTM, no gated layer, no plain RNN, no probe)"
    )
    assert some in " ".join(text.split())


def test_what_could_have_been_checked_and_was_not_stays_in_sight(tmp_path):
    """Also of a file that would else be counted among the clean ones."""
    torch.save({"cell.h2h.weight": torch.randn(6, 6)}, tmp_path / "like.pt")
    request = Request(trace=TraceRequest(seq_len=20), other_weights=True)
    file = report_file(str(tmp_path / "like.pt"), request, shown_as="like.pt", named=False)
    good = fixture_file("delayed_recall_gru.pt")
    text = shown(Report("check", {}, (file, good)))
    assert " not checked: 16 rules (no layer was measured)\n" in text
    unseen = replace(good, path="b.pt", not_applicable=(NotApplicable("RD203", "too large", True),))
    text = shown(Report("check", {}, (good, unseen)))
    title = "b.pt  (torch-zip, 50,533 bytes)  30 steps (given)\n"
    assert f"{title} no findings\n not checked: RD203 (too large)" in text


def test_clean_files_are_counted_among_others():
    good = fixture_file("delayed_recall_gru.pt")
    files = tuple(replace(good, path=f"{n}.pt", findings=()) for n in range(5))
    assert "- 5 without findings: 0.pt, 1.pt, 2.pt and 2 more\n" in shown(
        Report("check", {}, files)
    )
    alone = shown(Report("check", {}, files[:1]))
    assert alone.startswith("0.pt  (torch-zip, 50,533 bytes)  30 steps (given)\n no findings\n")
    assert "without findings" not in alone


def test_what_a_baseline_accepts_is_named_in_one_line():
    text = shown(baseline_report())
    assert "  RD301  error     exploding" in text
    assert " accepted in the baseline: RD304\n" in text
    assert " accepted in the baseline: RD302, RD402\n" in text
    assert "- RD402:" not in text
    assert "- exploding_rnn.pt:base.json/0/forward: RD103 stale: base.json accepts it" in text
    assert "accepted 3, stale 1" in text


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", ["exploding_rnn.pt", "length_one_rnn.pt", "char_rnn.pt"])
def test_no_line_is_wider_than_the_screen(width, name):
    for report in (
        Report("check", {}, (measured(FIXTURES / name, seq_len=200),)),
        baseline_report(),
    ):
        assert max(map(len, shown(report, width).splitlines())) <= width


@pytest.mark.parametrize("name", NASTY)
def test_a_baselines_names_are_harmless(name):
    text = shown(baseline_report(name), 80)
    assert all(c.isprintable() or c == "\n" for c in text)
