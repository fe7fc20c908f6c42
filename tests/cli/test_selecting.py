"""--select, --extend-select and --ignore on the installed command, and what they save."""

from __future__ import annotations

import json

import pytest
from cli.command import FIXTURES, expect_error, one_error

from rnndiag.rules import RULES

CHAR = FIXTURES / "char_rnn.pt"
EXPLODING = FIXTURES / "exploding_rnn.pt"
GRU = FIXTURES / "delayed_recall_gru.pt"


def file_of(in_process, *arguments):
    ran = in_process(*arguments, "--format", "json")
    return json.loads(ran.stdout)["files"][0]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 1),
        (("--select", "RD301"), 1),
        (("--select", "rd301"), 1),
        (("--select", "RD1,RD301"), 1),
        (("--select", "RD1", "--select", "RD3"), 1),
        (("--select", "RD1", "--extend-select", "RD30"), 1),
        (("--select", "RD1, RD2"), 0),
        (("--ignore", "RD301"), 0),
        (("--ignore", "RD301", "--fail-on", "warning"), 1),
        (("--ignore", "RD3", "--fail-on", "warning"), 0),
        (("--ignore", "RD3", "--select", "RD301"), 1),
    ],
)
def test_only_what_is_selected_decides(in_process, arguments, code):
    ran = in_process("check", EXPLODING, *arguments)
    assert (ran.returncode, ran.stderr) == (code, "")


@pytest.mark.parametrize(
    "command", ["inspect", "spectrum", "bptt-trace", "suggest", "check", "diff"]
)
def test_every_analysing_command_selects(in_process, command):
    files = (CHAR, CHAR) if command == "diff" else (CHAR,)
    found = file_of(in_process, command, *files, "--select", "RD4")["findings"]
    assert [finding["code"] for finding in found] == ["RD403"]
    assert file_of(in_process, command, *files, "--ignore", "RD2,RD3,RD4")["findings"] == []


@pytest.mark.parametrize("option", ["--select", "--extend-select", "--ignore"])
@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("RD31", "nearest are RD301"),
        ("RD", None),
        ("RD001", "always on"),
        ("RD1,", "a code is empty"),
    ],
)
def test_codes_that_are_none(in_process, option, code, words):
    ran = in_process("check", CHAR, option, code)
    if words is not None:
        expect_error(ran, "RD007", option, words)
    elif option == "--ignore":
        expect_error(ran, "RD007", "every rule is ignored")
    else:
        assert ran.returncode == 0


def test_what_no_rule_needs_is_not_measured(in_process):
    for codes, measured in (
        ("RD1", (None, None, None)),
        ("RD2", (True, True, None)),
        ("RD3", (None, True, None)),
        ("RD203", (True, None, None)),
        ("RD4", (None, None, True)),
    ):
        file = file_of(in_process, "check", CHAR, "--select", codes)
        (layer,) = file["layers"]
        found = (layer["spectrum"], layer["trace"], file["training_state"])
        assert tuple(part and True for part in found) == measured


def test_no_rule_needs_more_than_the_eigenvalues(in_process):
    (layer,) = file_of(in_process, "check", CHAR)["layers"]
    assert layer["spectrum"]["blocks"][0]["spectral_radius"] > 0
    assert layer["spectrum"]["henrici"] is None
    assert layer["spectrum"]["jacobian"]["at"] == "none"
    assert file_of(in_process, "check", GRU)["layers"][0]["spectrum"] is None


def test_what_could_not_be_judged_is_listed(in_process):
    file = file_of(in_process, "check", GRU)
    missing = {none["code"]: none["reason"] for none in file["not_applicable"]}
    assert set(missing) == {"RD201", "RD202", "RD203", "RD204", "RD305", "RD405"}
    assert len(file["judged"]) + len(missing) == len(RULES)
    assert not any(none["unchecked"] for none in file["not_applicable"])
    shown = in_process("check", GRU, "--format", "table").stdout
    assert "- 6 rules not applicable (no LSTM, no plain RNN, no probe)\n" in shown


def test_a_gate_whose_rules_all_have_nothing_to_judge_gives_no_verdict(in_process):
    ran = in_process("check", GRU, "--select", "RD2")
    assert (ran.returncode, ran.stdout.split(":")[0]) == (2, "no-verdict")
    said = "RD007 nothing was judged: RD201, RD202, RD203, RD204 cannot be (no plain RNN); "
    assert said in one_error(ran.stderr).string
    ran = in_process("inspect", GRU, "--select", "RD3", "--fail-on", "error")
    assert ran.returncode == 2
    assert "nothing was traced" in ran.stderr
    # Nobody waits for a verdict here.
    assert in_process("inspect", GRU, "--select", "RD3").returncode == 0
    # One file that could be judged is a verdict.
    assert in_process("check", GRU, CHAR, "--select", "RD2").returncode == 0
