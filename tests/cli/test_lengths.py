"""--seq-len and --memory, typed, configured, by path, and found beside a file: who goes first."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from cli.command import expect_error, rnndiag
from torch import nn

FORMATS = ("concise", "table", "markdown", "github")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository with two models that say nothing of their lengths."""
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in ("SEQ_LEN", "MEMORY"):
        monkeypatch.delenv(f"RNNDIAG_{name}", raising=False)
    torch.manual_seed(0)
    for name in ("daily/a.pt", "hourly/b.pt"):
        Path(name).parent.mkdir()
        torch.save(nn.GRU(2, 8).state_dict(), name)
    return tmp_path


def reported(in_process, *arguments, command="check"):
    ran = in_process(command, *arguments, "--batch", 1, "--format", "json")
    assert ran.stderr == "", ran.stderr
    return json.loads(ran.stdout)


def lengths(report):
    traces = [file["layers"][0]["trace"] for file in report["files"]]
    return [(trace["seq_len"], trace["length_basis"], trace["length_source"]) for trace in traces]


def severities(report, code="RD302"):
    found = [finding for file in report["files"] for finding in file["findings"]]
    return [finding["severity"] for finding in found if finding["code"] == code]


BY_PATH = """\
seq-len = 60
[per-path."daily/*"]
seq-len = 365
[per-path."*/a.pt"]
seq-len = 30
"""


def test_what_is_typed_goes_before_the_path_and_that_before_the_project(
    project, in_process, monkeypatch
):
    Path("rnndiag.toml").write_text(BY_PATH)
    report = reported(in_process, ".")
    assert lengths(report) == [(30, "given", None), (60, "given", None)]
    assert report["settings"]["seq_len"] == 60
    monkeypatch.setenv("RNNDIAG_SEQ_LEN", "50")
    assert lengths(reported(in_process, ".")) == [(50, "given", None)] * 2
    report = reported(in_process, ".", "--seq-len", 40)
    assert lengths(report) == [(40, "given", None)] * 2
    assert report["settings"]["seq_len"] == 40


@pytest.mark.parametrize("command", ["bptt-trace", "suggest", "report"])
def test_every_command_that_traces_heeds_the_path(project, in_process, command):
    Path("rnndiag.toml").write_text('[per-path."daily/*"]\nseq-len = 40\nmemory = 30\n')
    output = ("-o", "-") if command == "report" else ()
    report = reported(in_process, "daily/a.pt", *output, command=command)
    assert lengths(report) == [(40, "given", None)]
    assert severities(report) == ["warning"]


def test_paths_are_relative_to_the_configuration(project, in_process, monkeypatch):
    Path("rnndiag.toml").write_text('[per-path."daily/*"]\nseq-len = 40\n')
    monkeypatch.chdir(project / "daily")
    assert lengths(reported(in_process, "a.pt")) == [(40, "given", None)]


def test_a_configured_length_gives_way_to_the_inputs_own(project, in_process, tmp_path):
    """Nobody typed it for these inputs; a typed one is refused."""
    import numpy as np

    np.save("inputs.npy", np.zeros((25, 1, 2)))
    Path("rnndiag.toml").write_text("seq-len = 60\n")
    assert lengths(reported(in_process, "daily/a.pt", "--input", "inputs.npy"))[0][0] == 25
    Path("rnndiag.toml").write_text("seq-len = 20\n")
    assert lengths(reported(in_process, "daily/a.pt", "--input", "inputs.npy"))[0][0] == 20
    ran = in_process("check", "daily/a.pt", "--input", "inputs.npy", "--seq-len", 60)
    expect_error(ran, "RD007", "--seq-len 60 is longer than the given inputs")


def test_many_models_in_many_processes_have_their_own_neighbours(project):
    Path("daily/config.yml").write_text("seq_length: 365\nhidden_size: 8\n")
    Path("hourly/args.json").write_text('{"window_size": 24}')
    for jobs in (1, 2):
        ran = rnndiag("check", ".", "--batch", 1, "--jobs", jobs, "--format", "json")
        report = json.loads(ran.stdout)
        assert lengths(report) == [
            (365, "file", "config.yml: seq_length"),
            (200, "assumed", None),
        ]
        (remark,) = report["files"][1]["layers"][0]["trace"]["length_remarks"]
        assert remark.startswith("args.json: window_size = 24 may mean something else")


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_says_first_how_to_give_a_length_that_is_assumed(project, in_process, name):
    ran = in_process("check", "daily/a.pt", "--batch", 1, "--format", name)
    advice = "200 steps (assumed); give yours with --seq-len"
    said = ran.stdout.replace("&#8203;", "")
    assert advice in said
    if name == "table":
        assert said.index(advice) < said.index("- RD302:")
    given = in_process("check", "daily/a.pt", "--batch", 1, "--format", name, "--seq-len", 100)
    assert "assumed" not in given.stdout.replace("activation tanh assumed", "")


@pytest.mark.parametrize("command", ["bptt-trace", "suggest", "report"])
@pytest.mark.parametrize(
    ("settings", "phrase"),
    [
        (None, "200 steps (assumed)"),
        ("seq_len: 50", "50 steps (config.yml: seq_len)"),
        ('"a\\e[31m.seq_len": 50', r"50 steps (config.yml: a\x1b[31m.seq_len)"),
        ('"::error::.seq_len": 50', r"50 steps (config.yml: :\x3aerror:\x3a.seq_len)"),
    ],
)
def test_the_head_says_the_length_and_whose_it_is(project, in_process, command, settings, phrase):
    if settings is not None:
        Path("daily/config.yml").write_text(settings)
    form = ("-o", "-", "-q") if command == "report" else ("--format", "table")
    ran = in_process(command, "daily/a.pt", "--batch", 1, *form)
    assert phrase in ran.stdout
    assert ("give yours with --seq-len" in ran.stdout) == (settings is None)


def test_a_hostile_neighbour_changes_no_more_than_the_length(project, in_process):
    Path("daily/config.yml").write_text("a: !!python/object/apply:os.mkdir [ran]\nseq_len: 50\n")
    Path("hourly/config.yml").symlink_to(os.devnull)
    report = reported(in_process, ".")
    assert [length[0] for length in lengths(report)] == [50, 200]
    assert not Path("ran").exists()


# --memory


def test_the_memory_decides_whether_what_vanishes_is_a_warning(project, in_process):
    """At any length, and not the length itself."""
    base = ("daily/a.pt", "--seq-len", 100)
    report = reported(in_process, *base)
    assert severities(report) == ["note"]
    horizon = report["files"][0]["findings"][0]["evidence"]["horizon"]
    assert 1 < horizon < 50
    assert severities(reported(in_process, *base, "--memory", horizon)) == ["note"]
    far = reported(in_process, *base, "--memory", horizon + 1)
    assert severities(far) == ["warning"]
    assert far["settings"]["memory"] == horizon + 1
    ran = in_process("check", *base, "--memory", horizon + 1, "--fail-on", "warning", "-q")
    assert ran.returncode == 1
    assert f"and the task needs {horizon + 1} steps" in ran.stdout


def test_the_memory_by_path(project, in_process):
    Path("rnndiag.toml").write_text('memory = 2\n[per-path."hourly/*"]\nmemory = 90\n')
    assert severities(reported(in_process, ".")) == ["note", "warning"]
    assert severities(reported(in_process, ".", "--memory", 90)) == ["warning"] * 2


def test_a_memory_beyond_what_is_assumed_makes_the_trace_longer(project, in_process):
    report = reported(in_process, "daily/a.pt", "--memory", 230)
    assert lengths(report) == [(230, "given", "--memory")]
    assert lengths(reported(in_process, "daily/a.pt", "--memory", 30))[0][:2] == (200, "assumed")


def test_a_memory_that_the_sequence_cannot_show_is_refused(project, in_process):
    ran = in_process("check", "daily/a.pt", "--seq-len", 50, "--memory", 51)
    expect_error(ran, "RD007", "--memory 51 is more than the 50 steps of --seq-len")


def test_suggest_asks_no_more_than_the_memory(project, in_process):
    """What is reached needs no change."""
    path = ("daily/a.pt", "--seq-len", 100)
    near = reported(in_process, *path, "--memory", 3, command="suggest")
    assert near["files"][0]["advice"]["changes"] == []
    far = reported(in_process, *path, "--memory", 60, command="suggest")
    (change,) = far["files"][0]["advice"]["changes"]
    assert change["evidence"]["needed_steps"] == 60


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("memory = 0", "memory in rnndiag.toml"),
        ("[per-path.'a']\nseq-len = 1.5", 'per-path."a".seq-len in rnndiag.toml'),
        ("[per-path.'a']\nmemory = 'x'", 'per-path."a".memory in rnndiag.toml'),
        ("[per-path.'a']\nseq_len = 5", "the nearest that there is: seq-len"),
        ("[per-path.'a']\nmemroy = 5", "the nearest that there is: memory"),
        ("[per-path.'a']\nbatch = 5", 'unknown key per-path."a".batch'),
    ],
)
def test_what_is_wrong_in_the_configuration_is_named(project, in_process, text, words):
    Path("rnndiag.toml").write_text(text)
    expect_error(in_process("check", "daily/a.pt"), "RD007", words)
