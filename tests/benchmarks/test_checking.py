"""What is kept of a report, and that the command says the same as the call in process."""

from __future__ import annotations

import subprocess
import sys

import pytest
from cli.command import FIXTURES
from trials.checking import ask, command, in_process, read_answer
from trials.recipe import Recipe
from trials.training import Trained


def test_in_process_is_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("exploding_rnn.pt", "char_rnn.pt", "missing.pt"):
        arguments = ["check", str(FIXTURES / name), "--seq-len", "30", "--format", "json"]
        done = subprocess.run(
            [sys.executable, "-m", "rnndiag", *arguments, "--no-progress"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert in_process([*arguments, "--no-progress"]) == done.stdout


def trace(verdict: str = "stable", **drive):
    shown = {
        **{"drive": "normal", "deciding": True, "log10_gradient_norm": [-0.5, 0.0] + [-1.0] * 20},
        **{"overflow_step": None, "growth_log10": 0.5, "half_life": 3.0, "horizon_1e3": 9},
    }
    basis = {"basis": "synthetic", "length_basis": "assumed"}
    return {"seq_len": 21, "verdict": verdict, "drives": [{**shown, **drive}], **basis}


def report(traces, *findings, code: int = 0):
    told = [{"code": c, "severity": s, "message": f"{c} says"} for c, s in findings]
    file = {"layers": [{"trace": t} for t in traces], "findings": told, "error": None}
    return {"files": [file], "verdict": {"exit_code": code}}


def test_what_was_said():
    assert read_answer(report([trace()])).said == "clean"
    assert read_answer(report([trace()], ("RD302", "note"), ("RD304", "warning"))).said == "clean"
    assert read_answer(report([trace(), trace("unsure")])).said == "unsure"
    assert read_answer(report([trace()], ("RD303", "warning"))).said == "unsure"
    both = (("RD303", "warning"), ("RD301", "error"))
    error = read_answer(report([trace()], *both, code=1))
    assert (error.said, error.message, error.codes) == ("error", "RD301 says", ("RD301", "RD303"))
    refused = report([], code=2)
    refused["files"][0]["error"] = {"what": "cut off"}
    assert read_answer(refused).said == "no verdict"
    assert read_answer(refused).message == "cut off"


def test_figures_are_the_top_layers_and_growth_is_the_worst():
    answer = read_answer(report([trace(growth_log10=4.0), trace(half_life=7.0)]))
    (drive,) = answer.drives
    assert (drive.growth, drive.half_life, drive.at_lag) == (4.0, 7.0, -1.0)
    assert answer.basis == "synthetic, assumed"
    (drive,) = read_answer(report([trace(growth_log10=None, overflow_step=3)])).drives
    assert drive.growth == float("inf")


def test_of_several_deciding_drives_the_middle_one_counts():
    one = trace()
    names = {"zero": 1.0, "weak": 2.0, "normal": 9.0}
    one["drives"] = [{**one["drives"][0], "drive": n, "half_life": v} for n, v in names.items()]
    one["drives"].append({**one["drives"][0], "deciding": False, "half_life": 99.0})
    assert read_answer(report([one])).deciding("half_life") == 2.0
    one["drives"][1]["half_life"] = None
    assert read_answer(report([one])).deciding("half_life") is None


@pytest.mark.parametrize("cell", ["relu", "gru"])
def test_the_four_ways(tmp_path, cell):
    trained = Trained(Recipe("test", "adding", cell, steps=40), tmp_path, {})
    ways = {way: command(trained, way)[2:] for way in ("file alone", "length", "input", "probe")}
    declared = ["--as", "*weight_hh*=rnn:relu"] if cell == "relu" else []
    end = [*declared, "--format", "json", "--no-progress"]
    assert ways["file alone"] == end
    assert ways["length"] == ["--seq-len", "40", *end]
    assert ways["input"] == ["--input", str(tmp_path / "x.npy"), "--seq-len", "40", *end]
    assert ways["probe"] == ["--probe", str(tmp_path / "probe.safetensors"), *end]
    assert "--as" not in command(trained, "file alone, relu not declared")


def test_a_call_that_is_refused_is_no_verdict(tmp_path):
    trained = Trained(Recipe("test", "adding", "gru", steps=40), tmp_path, {})
    answer = ask(trained, "probe")
    assert answer.said == "no verdict"
    assert "probe.safetensors" in answer.message
