"""Annotations: one workflow command for each finding, and none that a name brings along."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from render.reports import EMPTY, NASTY, baseline_report, fixture_file, gate_report, nasty_report

from rnndiag.render import Screen, renderer
from rnndiag.report import Report

render = renderer("github")
COMMAND = re.compile(
    r"::(?P<level>error|warning|notice) (?:file=(?P<file>[^,:]*),)?title=(?P<title>[^,:]*)"
    r"::(?P<message>.*)"
)
"""As the runner takes it apart: properties end at a comma, their list at two colons."""


def commands(report):
    *lines, last = render(report, Screen()).splitlines()
    assert not last.startswith("::")
    found = [COMMAND.fullmatch(line) for line in lines]
    assert all(found), lines
    return [one.groupdict() for one in found]


def decoded(text: str) -> str:
    """As the runner does: actions/runner, ActionCommand.cs."""
    for code, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ",")):
        text = text.replace(code, character)
    return text.replace("%25", "%")


def test_serious_ones_come_first():
    shown = [(one["level"], one["file"]) for one in commands(gate_report())]
    assert shown == [
        ("error", "exploding_rnn.pt"),
        ("error", "a b/cut#1.pt"),
        ("warning", "exploding_rnn.pt"),
        *[("warning", "length_one_rnn.pt")] * 2,
        ("notice", None),
        ("notice", "length_one_rnn.pt"),
    ]


def test_an_assumed_length_has_one_annotation():
    (said,) = [one for one in commands(gate_report()) if one["title"] == "length"]
    assert "200 steps (assumed) for 1 of 2 files; give yours with --seq-len" in said["message"]


def test_a_finding_says_where_what_and_what_to_do():
    first = commands(gate_report())[0]
    assert first["title"] == "RD301 in model_state_dict.rnn/0/forward"
    assert "the gradient grows to" in first["message"]
    assert "clip gradients" in first["message"]


def test_a_clean_file_has_none_and_nothing_checked_has_one():
    file = replace(fixture_file("char_rnn.pt"), findings=())
    assert commands(Report("check", {}, (file,))) == []
    (nothing,) = commands(EMPTY)
    assert (nothing["level"], nothing["title"], nothing["file"]) == ("error", "RD006", None)


@pytest.mark.parametrize("name", NASTY)
def test_names_are_harmless(name):
    text = render(nasty_report(name), Screen())
    assert all(c.isprintable() or c == "\n" for c in text)
    assert len(text.splitlines()) == 3
    shown = commands(nasty_report(name))
    if name.isprintable() and "::" not in name:
        assert decoded(shown[0]["file"]) == f"{name}.pt"
        assert f"it says {name}" in decoded(shown[0]["message"])


def test_what_is_accepted_takes_no_annotation_and_what_is_stale_is_named():
    shown = [(one["level"], one["title"]) for one in commands(baseline_report())]
    layer = "model_state_dict.rnn/0/forward"
    assert shown == [
        ("error", f"RD301 in {layer}"),
        ("error", "RD003 no verdict"),
        ("warning", f"RD102 in {layer}"),
        ("notice", "length"),
        ("notice", "stale baseline entry"),
    ]
    assert "accepted 3, stale 1" in render(baseline_report(), Screen()).splitlines()[-1]


@pytest.mark.parametrize("name", NASTY)
def test_a_baselines_names_are_harmless(name):
    assert len(commands(baseline_report(name))) == 5
