"""Counting: who is caught, who is accused, who is left out, and which promise is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import verdicts
from trials import scoring, table
from trials.checking import UNDECLARED, WAYS, Answer, Drive
from trials.recipe import Recipe
from trials.scoring import Confusion, Errors, Judged
from trials.training import Trained


def answer(said: str, at_lag: float = -1.0, half_life: float | None = 4.0) -> Answer:
    drive = Drive("normal", True, 0.0, half_life, 9, at_lag)
    return Answer(said, (), 40, "synthetic", (drive,), "")


def judged(growth: float, said: str | dict[str, str], cell="rnn", task="sine", **facts) -> Judged:
    """A curve that falls by half a decade in 20 steps, whatever the growth that is told."""
    curve = (-np.arange(41) / 40.0).tolist()
    every = dict.fromkeys(WAYS, said) if isinstance(said, str) else said
    known = {"growth": [0.0, growth], "curves": [curve], **facts}
    trained = Trained(Recipe("test", task, cell, steps=40), Path(), known)
    return Judged(trained, {way: answer(word) for way, word in every.items()})


MIXED = [
    *[judged(5.0, "error")] * 3,
    *(judged(5.0, "unsure"), judged(5.0, "clean"), judged(3.1, "clean"), judged(2.8, "error")),
    *(judged(1.0, "error"), judged(1.0, "unsure"), judged(1.0, "clean"), judged(1.0, "no verdict")),
]


def test_confusion_counts_every_scored_network_once():
    found = Confusion.of("input", MIXED)
    assert found.exploding == {"error": 3, "unsure": 1, "clean": 1}
    assert found.healthy == {"error": 1, "unsure": 1, "clean": 1, "no verdict": 1}
    assert Confusion.of(UNDECLARED, MIXED).exploding.total() == 0


def test_targets_of_the_file_alone():
    found = {target.what: target for target in Confusion.of("file alone", MIXED).targets()}
    shown = {what.partition(": ")[2]: (t.value, t.met) for what, t in found.items()}
    assert shown == {
        "no verdict at all": (1.0, False),
        "false errors": (1.0, False),
        "exploding, error": (0.6, False),
        "exploding, error or unsure": (0.8, False),
        "healthy, unsure": (0.25, False),
    }


def test_with_data_unsure_is_missed():
    for said, kept in (("error", True), ("unsure", False), ("clean", False)):
        targets = Confusion.of("probe", [judged(5.0, said), judged(0.0, "clean")]).targets()
        assert all(target.met for target in targets) is kept


def test_a_promise_about_nothing_is_not_kept():
    assert not all(t.met for t in Confusion.of("input", [judged(0.0, "clean")]).targets())


def test_relu_networks_have_to_be_unsure_where_only_relu_explodes():
    said = {"file alone": "error", UNDECLARED: "unsure"}
    only = judged(5.0, said, "relu", growth_as_tanh=[0.0])
    both = judged(5.0, {**said, UNDECLARED: "error"}, "relu", growth_as_tanh=[4.0])
    assert (only.only_as_relu, both.only_as_relu) == (True, False)
    assert not judged(1.0, said, "relu", growth_as_tanh=[0.0]).only_as_relu
    assert scoring.relu_target([only, both]).met
    passed = judged(5.0, {**said, UNDECLARED: "clean"}, "relu", growth_as_tanh=[0.0])
    assert scoring.relu_target([only, passed]).value == 0.5


def test_wrong_verdicts_and_their_cause():
    alone = {"file alone": "error", "length": "clean", "input": "clean", "probe": "clean"}
    cases = {
        "the length was assumed": alone,
        "the input was made up": {**alone, "length": "error"},
        "the initial state, or the loss, was made up": {
            **alone,
            "length": "error",
            "input": "error",
        },
        "not told by length, input or probe": dict.fromkeys(alone, "error"),
    }
    for cause, said in cases.items():
        each = judged(1.0, said)
        assert scoring.wrong([each], "file alone") == [each]
        assert scoring.cause(each, "file alone") == cause
    assert len(scoring.wrong(MIXED, "file alone")) == 3
    lines = list(table.false_verdicts(MIXED))
    assert len(lines) == 3 * len(WAYS)
    assert sum("FALSE ERROR" in line for line in lines) == len(WAYS)


def test_errors_are_against_the_truth():
    found = Errors.of("length", "forecaster", [judged(0.0, "clean")])
    assert found.networks == 1
    assert found.at_lag[0] == pytest.approx(0.5)  # shown -1, true -0.5
    true = np.log(2.0) / (np.log(10.0) / 40.0)
    assert found.half_life[0] == pytest.approx(true / 4.0)
    assert found.one_sided == 1  # 9 is shown; a thousandth is never reached
    (target,) = found.targets()
    assert target.promised == 0.6
    assert target.met
    assert np.isnan(Errors.of("length", "symbols", []).at_lag[0])


def test_a_layer_in_front_makes_it_other():
    plain, front = (Recipe("test", "text", "gru", front=front) for front in ("", "linear"))
    kinds = [Judged(Trained(recipe, Path(), {}), {}).kind for recipe in (plain, front)]
    assert kinds == ["symbols", "other"]


def test_the_exit_code_is_that_of_the_worst_promise(capsys):
    good = [
        *(judged(5.0, "error", task=task) for task in ("sine", "markov")),
        *(judged(0.0, "clean", task=task) for task in ("sine", "markov")),
    ]
    exact = [
        Judged(each.trained, {way: answer(a.said, at_lag=-0.5) for way, a in each.answers.items()})
        for each in good
    ]
    assert verdicts.show(exact, markdown=False) == 0
    assert "MISSED" not in capsys.readouterr().out
    assert verdicts.show([*exact, judged(0.0, "error")], markdown=True) == 1
    assert "| file alone: false errors | 1 | ≤ 0 | MISSED |" in capsys.readouterr().out
