"""Findings against a baseline: new, accepted, worse; and entries that are stale."""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest
from cli.command import FIXTURES
from render.reports import measured

import rnndiag
from rnndiag.accepting import accept, baseline_of
from rnndiag.baseline import Accepted, Baseline, Key, Stale, baseline_text
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.report import ExitCode, FileReport, Report

LAYER = "model_state_dict.rnn/0/forward"


@functools.cache
def exploding() -> FileReport:
    """RD301 and RD304."""
    return measured(FIXTURES / "exploding_rnn.pt", "runs/a.pt", seq_len=200)


def changed(baseline: Baseline, code: str, value: float) -> Baseline:
    """The same, with another accepted step at which growth reaches a thousand."""
    key = Key("runs/a.pt", LAYER, code)
    return replace(baseline, entries={**baseline.entries, key: Accepted("lag_of_growth", value)})


def states(file: FileReport) -> dict[str, str]:
    return {finding.code: finding.standing.state for finding in file.findings}


def report_of(files, comparison) -> Report:
    return Report("check", {}, files, fail_on="warning", baseline=comparison)


def test_what_was_found_is_accepted_and_fails_no_more():
    file = exploding()
    assert Report("check", {}, (file,), fail_on="error").exit_code is ExitCode.FINDINGS
    baseline = baseline_of([file], "b.json")
    assert set(baseline.entries) == {Key("runs/a.pt", LAYER, code) for code in ("RD301", "RD304")}
    (marked,), comparison = accept([file], baseline, 0.0)
    assert states(marked) == {"RD301": "accepted", "RD304": "accepted"}
    assert (comparison.stale, comparison.not_checked) == ((), 0)
    report = report_of((marked,), comparison)
    assert (report.exit_code, report.status) == (ExitCode.CLEAN, "clean")
    assert [f.message for f in marked.findings] == [f.message for f in file.findings]


@pytest.mark.parametrize(
    ("share", "state"), [(1.2, "worse"), (1.05, "accepted"), (0.5, "accepted")]
)
def test_worse_by_more_than_the_tolerance_fails(share, state):
    """It was `share` of what it is now."""
    file = exploding()
    lag = file.findings[0].value
    baseline = changed(baseline_of([file], "b.json"), "RD301", share * lag)
    (marked,), comparison = accept([file], baseline, 0.1)
    assert states(marked) == {"RD301": state, "RD304": "accepted"}
    assert (report_of((marked,), comparison).exit_code == 1) is (state == "worse")
    said = f", worse than accepted: lag of growth is {lag:.4g}, was {share * lag:.4g}"
    assert (said in marked.findings[0].message) is (state == "worse")


def test_what_is_not_in_it_is_new():
    file = exploding()
    entries = {k: v for k, v in baseline_of([file], "b.json").entries.items() if k.code == "RD304"}
    (marked,), comparison = accept([file], Baseline("b.json", entries), 0.1)
    assert states(marked) == {"RD301": "new", "RD304": "accepted"}
    assert report_of((marked,), comparison).exit_code is ExitCode.FINDINGS
    for path, layer in (("b.pt", LAYER), ("runs/a.pt", "other/0/forward")):
        elsewhere = Baseline("b.json", {Key(path, layer, "RD301"): Accepted("lag_of_growth", 9.0)})
        (marked,), _ = accept([file], elsewhere, 0.1)
        assert set(states(marked).values()) == {"new"}


def test_what_cannot_be_compared_fails_and_says_so():
    file = exploding()
    key = Key("runs/a.pt", LAYER, "RD301")
    (marked,), _ = accept([file], Baseline("b.json", {key: Accepted("growth_log10", 99.0)}), 0.1)
    assert states(marked)["RD301"] == "worse"
    assert marked.findings[0].message.endswith("the baseline has nothing to compare it with")


def test_no_verdict_is_never_accepted():
    bad = FileReport("bad.pt", error=RnndiagError(InputCode.DAMAGED, "what", "remedy"))
    files, comparison = accept([exploding(), bad], baseline_of([exploding(), bad], "b"), 0.1)
    assert report_of(files, comparison).exit_code is ExitCode.NO_VERDICT


def entry(path="runs/a.pt", layer=LAYER, code="RD102"):
    return Key(path, layer, code)


def test_entries_without_a_finding_are_stale_where_somebody_looked():
    file = exploding()
    assert "RD102" in file.judged
    cases = {
        entry(): 1,
        entry(layer="gone/0/forward"): 1,
        entry(path="other.pt"): 0,
        entry(code="RD305"): 0,  # no LSTM: nobody looked
        entry(code="RD301"): 0,  # still found
    }
    for key, count in cases.items():
        _, comparison = accept([file], Baseline("b.json", {key: Accepted()}), 0.1)
        assert len(comparison.stale) == count, key
        looked = key.code != "RD305" and key.path == file.path
        assert comparison.not_checked == (not looked), key
    _, comparison = accept([file], Baseline("b.json", {entry(): Accepted()}), 0.1)
    assert comparison.stale == (Stale("runs/a.pt", LAYER, "RD102"),)
    unselected = replace(file, judged=("RD301",))
    _, comparison = accept([unselected], Baseline("b.json", {entry(): Accepted()}), 0.1)
    assert (comparison.stale, comparison.not_checked) == ((), 1)


def test_layers_that_were_left_out_are_not_stale():
    keys = {entry(): Accepted(), entry(layer="other/0/forward"): Accepted()}
    _, comparison = accept([exploding()], Baseline("b.json", keys), 0.1, some_layers=True)
    assert comparison.stale == (Stale("runs/a.pt", LAYER, "RD102"),)
    assert comparison.not_checked == 1


def test_a_file_that_could_not_be_read_makes_nothing_stale():
    bad = FileReport("runs/a.pt", error=RnndiagError(InputCode.DAMAGED, "what", "remedy"))
    _, comparison = accept([bad], Baseline("b.json", {entry(): Accepted()}), 0.1)
    assert (comparison.stale, comparison.not_checked) == ((), 1)


def test_the_python_function_takes_one(tmp_path, monkeypatch):
    monkeypatch.chdir(FIXTURES.parent)
    before = rnndiag.check("fixtures/exploding_rnn.pt")
    assert before.exit_code == 1
    path = tmp_path / "b.json"
    path.write_text(baseline_text(baseline_of(before.files, str(path))))
    after = rnndiag.check("fixtures/exploding_rnn.pt", baseline=str(path))
    assert after.exit_code == 0
    assert after.baseline.stale == ()
