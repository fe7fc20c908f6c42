"""Which rules are in force, for which file."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from rnndiag.errors import RnndiagError
from rnndiag.rules import RULES, Choice, Judging, RuleSetting
from rnndiag.rules.selection import checked_codes, checked_setting

ALL = [rule.code for rule in RULES]


def chosen(**choice) -> list[str]:
    return [rule.code for rule in Choice(**choice).rules()]


def beginning(*prefixes: str) -> list[str]:
    return [code for code in ALL if code.startswith(prefixes)]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({}, ALL),
        ({"select": ("RD3",)}, beginning("RD3")),
        ({"select": ("RD",)}, ALL),
        ({"select": ("RD101", "RD4")}, beginning("RD101", "RD4")),
        ({"select": ("RD1",), "extend_select": ("RD301",)}, beginning("RD1", "RD301")),
        ({"extend_select": ("RD301",)}, ALL),
        ({"ignore": ("RD3", "RD4")}, beginning("RD1", "RD2")),
        ({"select": ("RD3",), "ignore": ("RD302",)}, [c for c in beginning("RD3") if c != "RD302"]),
        ({"select": ("RD301",), "ignore": ("RD3",)}, ["RD301"]),
        ({"select": ("RD3",), "ignore": ("RD3",)}, []),
        (
            {"ignore": ("RD3",), "extend_select": ("RD301",)},
            beginning("RD1", "RD2", "RD301", "RD4"),
        ),
    ],
)
def test_the_longest_prefix_decides_and_ignoring_wins_ties(choice, expected):
    assert chosen(**choice) == expected


def test_a_setting_changes_one_rule_alone():
    rules = {r.code: r for r in Choice(settings={"RD203": RuleSetting("error", 20.0)}).rules()}
    assert (rules["RD203"].severity, rules["RD203"].limit) == ("error", 20.0)
    assert "above 20 at" in rules["RD203"].bound
    assert [r for r in rules.values() if r not in RULES] == [rules["RD203"]]


def test_paths_add_to_the_choice_and_all_that_match_count():
    judging = Judging(
        Choice(select=("RD1", "RD3")),
        (
            ("legacy/*.pt", Choice(ignore=("RD302",))),
            ("*.pt", Choice(extend_select=("RD401",), settings={"RD101": RuleSetting("note")})),
        ),
    )
    plain = {rule.code: rule for rule in judging.rules_for("models/a.pt")}
    legacy = {rule.code: rule for rule in judging.rules_for("./models/../legacy/a.pt")}
    assert set(plain) - set(legacy) == {"RD302"}
    assert list(plain) == beginning("RD1", "RD3", "RD401")
    assert plain["RD101"].severity == "note"
    assert [rule.code for rule in judging.rules_for("a.bin")] == beginning("RD1", "RD3")


def test_paths_are_relative_to_the_configurations_folder(tmp_path, monkeypatch):
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    judging = Judging(by_path=(("deep/a.pt", Choice(ignore=("RD3",))),), folder=str(tmp_path))
    for path in ("a.pt", "../deep/a.pt", str(tmp_path / "deep" / "a.pt")):
        assert not any(rule.code.startswith("RD3") for rule in judging.rules_for(path))
    assert judging.rules_for("../a.pt") == RULES
    assert Path.cwd() == Path(os.path.realpath(tmp_path / "deep"))


@pytest.mark.parametrize(
    ("judging", "needs"),
    [
        (Judging(), {"trace", "state map", "training state"}),
        (Judging(Choice(select=("RD1",))), set()),
        (Judging(Choice(select=("RD30",))), {"trace"}),
        (Judging(Choice(select=("RD203",))), {"state map"}),
        (Judging(Choice(select=("RD202",))), {"state map", "trace"}),
        (Judging(Choice(select=("RD4",))), {"training state"}),
        (
            Judging(Choice(select=("RD1",)), (("*", Choice(extend_select=("RD401",))),)),
            {"training state"},
        ),
    ],
)
def test_only_what_the_rules_look_at_need_be_measured(judging, needs):
    kinds = ("trace", "state map", "training state")
    assert {kind for kind in kinds if judging.needs(kind)} == needs


def test_worker_processes_can_be_told():
    judging = Judging(Choice(settings={"RD203": RuleSetting("error", 20.0)}))
    again = pickle.loads(pickle.dumps(judging))
    assert again.rules_for("m.pt") == judging.rules_for("m.pt")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("RD9", "no rule RD9; nearest are RD"),
        ("RD33", "no rule RD33"),
        ("", "a code is empty"),
        ("X", "no rule X"),
        ("RD302x", "nearest are RD302"),
        ("rd001", "RD001 is an input error's code, and those are always on"),
        ("RD0", "always on"),
    ],
)
def test_codes_that_are_none(code, words):
    with pytest.raises(RnndiagError, match="RD007 --ignore: ") as caught:
        checked_codes(["RD1", code], "--ignore")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("code", "threshold", "words"),
    [
        ("RD203", 0.0, "the threshold of RD203 is 0; give a positive number"),
        ("RD203", -1.0, "is -1"),
        ("RD203", float("inf"), "is inf"),
        ("RD203", float("nan"), "is nan"),
        ("RD101", 2.0, "RD101 has no threshold"),
        ("RD999", None, "no rule RD999"),
        ("RD3", None, "no rule RD3"),
        ("RD001", None, "always on"),
    ],
)
def test_settings_that_are_none(code, threshold, words):
    with pytest.raises(RnndiagError, match="RD007 rules in x") as caught:
        checked_setting(code, RuleSetting(None, threshold), "rules in x")
    assert words in str(caught.value)
