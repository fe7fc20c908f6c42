"""JUnit XML: read by another parser, counted right, and well formed whatever the names are."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped
from render.reports import EMPTY, NASTY, baseline_report, fixture_file, gate_report, nasty_report

from rnndiag.render import Screen, renderer
from rnndiag.report import Report
from rnndiag.rules import RULES

render = renderer("junit")


def suites(report):
    parsed = JUnitXml.fromstring(render(report, Screen()).encode())
    for suite in parsed:
        counted = (suite.tests, suite.failures, suite.errors, suite.skipped)
        kinds = [[type(result) for result in case.result] for case in suite]
        assert counted == (len(kinds), *(kinds.count([k]) for k in (Failure, Error, Skipped)))
    totals = (parsed.tests, parsed.failures, parsed.errors, parsed.skipped)
    parsed.update_statistics()
    assert totals == (parsed.tests, parsed.failures, parsed.errors, parsed.skipped)
    return {suite.name: {case.name: case for case in suite} for suite in parsed}


def test_a_suite_is_a_file_and_a_case_is_a_rule():
    found = suites(gate_report())
    assert list(found) == [
        "exploding_rnn.pt",
        "length_one_rnn.pt",
        "a b/cut#1.pt",
        "files that are no recurrent checkpoint",
    ]
    assert [name.split()[0] for name in found["exploding_rnn.pt"]] == [r.code for r in RULES]
    (failure,) = found["exploding_rnn.pt"]["RD301 exploding gradient"].result
    assert isinstance(failure, Failure)
    assert "the gradient grows" in failure.message
    assert "clip gradients" in failure.text


def test_what_does_not_fail_the_gate_does_not_fail_the_case():
    case = suites(gate_report())["length_one_rnn.pt"]["RD302 vanishing gradient"]
    assert case.result == []
    assert case.system_out.startswith("note in model_state_dict.rnn/0/forward")
    exploding = suites(gate_report("never"))["exploding_rnn.pt"]["RD301 exploding gradient"]
    assert exploding.result == []
    assert "the gradient grows" in exploding.system_out


def test_a_file_without_a_verdict_is_an_error():
    ((error,),) = [c.result for c in suites(gate_report())["a b/cut#1.pt"].values()]
    assert isinstance(error, Error)
    assert (error.type, error.message) == ("RD003", "cut; copy it again")
    ((nothing,),) = [case.result for case in suites(EMPTY)["rnndiag check"].values()]
    assert isinstance(nothing, Error)


def test_a_rule_without_anything_to_look_at_is_skipped():
    good = fixture_file("delayed_recall_gru.pt")
    cases = suites(Report("check", {}, (good,)))[good.path]
    reasons = {name[:5]: case.result[0].message for name, case in cases.items() if case.result}
    assert {type(r) for case in cases.values() for r in case.result} == {Skipped}
    assert reasons == dict.fromkeys(("RD201", "RD202", "RD203", "RD204"), "no plain RNN") | {
        "RD305": "no LSTM",
        "RD405": "no probe",
    }


def test_a_rule_that_nobody_asked_for_is_no_case():
    """It would read as one that passed."""
    file = replace(fixture_file("delayed_recall_gru.pt"), judged=("RD101",), not_applicable=())
    assert list(suites(Report("check", {}, (file,)))[file.path]) == [
        "RD101 non-finite recurrent weights"
    ]


@pytest.mark.parametrize("name", NASTY)
def test_names_are_harmless(name):
    text = render(nasty_report(name), Screen())
    assert text.isascii()
    assert all(c.isprintable() or c == "\n" for c in text)
    root = ET.fromstring(text)
    assert {element.tag for element in root.iter()} <= {
        *("testsuites", "testsuite", "testcase", "failure", "error", "skipped"),
        "system-out",
    }
    if name.isprintable() and "::" not in name:
        assert root[0].get("name") == f"{name}.pt"
        assert f"it says {name}" in root[0].find(".//failure").get("message")


def test_what_a_baseline_accepts_passes_and_what_is_worse_fails():
    found = suites(baseline_report())
    exploding, length_one = found["exploding_rnn.pt"], found["length_one_rnn.pt"]
    (failure,) = exploding["RD301 exploding gradient"].result
    assert "worse than accepted" in failure.message
    accepted = exploding["RD304 chaotic dynamics"]
    assert accepted.result == []
    assert accepted.system_out.startswith("accepted in model_state_dict.rnn/0/forward: chaotic")
    assert isinstance(length_one["RD102 recurrence never trained"].result[0], Failure)
    assert length_one["RD402 starved recurrence"].result == []
    ((stale,),) = [case.result for case in found["stale baseline entries"].values()]
    assert isinstance(stale, Skipped)
    assert "RD103 stale: base.json accepts it" in stale.message


@pytest.mark.parametrize("name", NASTY)
def test_a_baselines_names_are_harmless(name):
    assert len(suites(baseline_report(name))) == 4
