"""The gate over many files: patterns, processes, crashes, progress; in the installed command."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from cli.command import FIXTURES, expect_error, one_error, rnndiag, start
from cli.sabotage import sabotaged
from terminal import run_in_terminal

from rnndiag.render import FORMATS

QUICK = ("--seq-len", 20, "--batch", 1)
GOOD = FIXTURES / "delayed_recall_gru.pt"
GATE_FORMATS = [name for name, made in FORMATS.items() if "check" in made.commands]


@pytest.fixture
def runs(tmp_path):
    """runs/{0,1}/{model,other}.pt, an exploding one, and what is no checkpoint."""
    for place in ("0/model.pt", "0/other.pt", "1/model.pt", "1/other.pt"):
        (tmp_path / "runs" / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(GOOD, tmp_path / "runs" / place)
    shutil.copy(FIXTURES / "exploding_rnn.pt", tmp_path / "runs" / "exploding.pt")
    (tmp_path / "runs" / "README.md").write_text("words")
    (tmp_path / "runs" / "__init__.py").touch()
    return tmp_path


def files(ran) -> list[str]:
    return [file["path"] for file in json.loads(ran.stdout)["files"]]


# Which files


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("runs/*/model.pt", ["runs/0/model.pt", "runs/1/model.pt"]),
        ("runs/**/other.pt", ["runs/0/other.pt", "runs/1/other.pt"]),
        ("runs/[1-9]", ["runs/1/model.pt", "runs/1/other.pt"]),
        ("runs/0/m?del.pt", ["runs/0/model.pt"]),
    ],
)
def test_patterns_that_no_shell_expanded(runs, monkeypatch, in_process, pattern, found):
    monkeypatch.chdir(runs)
    assert files(in_process("check", pattern, *QUICK, "--format", "json")) == found


def test_a_name_that_looks_like_a_pattern_is_a_name(runs, monkeypatch, in_process):
    monkeypatch.chdir(runs)
    shutil.copy(GOOD, "model[01].pt")
    shutil.copy(GOOD, "model0.pt")
    assert files(in_process("check", "model[01].pt", *QUICK, "--format", "json")) == [
        "model[01].pt"
    ]


def test_a_pattern_without_a_match_is_an_error_and_hides_nothing(runs):
    ran = rnndiag("check", "runs/*.none", "runs/exploding.pt", folder=runs)
    assert ran.returncode == 2
    found = one_error(ran.stderr)
    assert (found["where"], found["code"]) == ("runs/*.none", "RD001")
    assert "RD301" in ran.stdout


def test_a_pattern_names_what_it_matches(runs, monkeypatch, in_process):
    """As where the shell had expanded it: a README among them is no checkpoint, exit 2."""
    monkeypatch.chdir(runs)
    expect_error(in_process("check", "runs/*.md", *QUICK), "RD002", "a text file")


@pytest.mark.parametrize("nothing", ["empty", "runs/*.none", "texts"])
def test_allow_empty_covers_zero_files_only(runs, monkeypatch, in_process, nothing):
    monkeypatch.chdir(runs)
    Path("empty").mkdir()
    Path("texts").mkdir()
    Path("texts/note.txt").write_text("words")
    assert in_process("check", nothing).returncode == 2
    ran = in_process("check", nothing, "--allow-empty")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines()[-1].startswith("clean: files 0")
    for other in ("missing.pt", "runs/README.md"):
        assert in_process("check", nothing, other, "--allow-empty", *QUICK).returncode == 2


def test_allow_empty_does_not_cover_a_recurrence_that_was_not_measured(tmp_path, in_process):
    import torch

    torch.save({"rnn.m": torch.ones(64, 2), "rnn.n": torch.ones(2, 64)}, tmp_path / "low_rank.pt")
    assert in_process("check", tmp_path, "--allow-empty").returncode == 2


def test_exit_zero_hides_findings_and_nothing_else(runs):
    ran = rnndiag("check", "runs/exploding.pt", "--exit-zero", folder=runs)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "RD301 error" in ran.stdout
    assert ran.stdout.splitlines()[-1].startswith("findings: ")
    (runs / "bad.pt").touch()
    ran = rnndiag("check", "runs/exploding.pt", "bad.pt", "--exit-zero", folder=runs)
    assert ran.returncode == 2


def test_a_distributed_checkpoint_is_named(runs):
    folder = runs / "runs" / "dcp"
    folder.mkdir()
    for name in (".metadata", "__0_0.distcp", "__1_0.distcp"):
        (folder / name).write_bytes(b"x")
    ran = rnndiag("check", "runs", *QUICK, folder=runs)
    assert ran.returncode == 2
    found = one_error(ran.stderr)
    assert (found["where"], found["code"]) == ("runs/dcp", "RD005")
    assert "DCP" in found["what"]


def test_what_was_skipped_is_counted_by_reason(runs):
    import torch

    for number in range(5):
        (runs / "runs" / f"{number}.txt").write_text("words")
        torch.save({f"w{number}": torch.ones(2, 3)}, runs / "runs" / f"mlp{number}.pt")
    ran = rnndiag("check", "runs", *QUICK, "--format", "table", folder=runs)
    assert (
        "- 6 skipped, a text file, not a checkpoint: runs/0.txt, runs/1.txt, runs/2.txt and 3 more"
    ) in " ".join(ran.stdout.split())
    assert "- 5 skipped, no recurrent weights: runs/mlp0.pt" in " ".join(ran.stdout.split())
    assert "- 1 skipped, the file is empty: runs/__init__.py" in ran.stdout


def test_paths_below_the_working_directory_are_relative_however_they_were_given(runs):
    shown = [
        rnndiag("check", place, *QUICK, "--format", "sarif", folder=runs).stdout
        for place in ("runs", "./runs/", runs / "runs")
    ]
    assert shown[0] == shown[1] == shown[2]
    assert str(runs) not in shown[0]


# Processes


@pytest.mark.parametrize("name", GATE_FORMATS)
def test_the_same_bytes_whatever_the_number_of_processes(runs, name):
    (runs / "runs" / "0" / "cut.pt").write_bytes(GOOD.read_bytes()[:20000])
    shown = [
        rnndiag("check", "runs", "--jobs", jobs, "--format", name, folder=runs)
        for jobs in ((1, 2, 2) if name == "json" else (1, 2))
    ]
    assert {ran.returncode for ran in shown} == {2}
    assert len({(ran.stdout, ran.stderr) for ran in shown}) == 1


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_crash_is_that_files_finding_and_nobody_elses(tmp_path, jobs):
    names = ("a.pt", "crash.pt", "defect.pt", "killed.pt", "z.pt")
    harm = sabotaged(tmp_path, *names)
    shutil.copy(FIXTURES / "exploding_rnn.pt", tmp_path / "exploding.pt")
    arguments = ("check", ".", "--jobs", jobs, "--format", "json")
    ran = rnndiag(*arguments, folder=tmp_path, **harm)
    assert ran.returncode == 2
    found = json.loads(ran.stdout)["files"]
    assert [file["path"] for file in found] == sorted((*names, "exploding.pt"))
    errors = {file["path"]: file["error"] for file in found if file["error"]}
    assert {error["code"] for error in errors.values()} == {"RD009"}
    assert "SIGSEGV" in errors["crash.pt"]["what"]
    assert "SIGKILL" in errors["killed.pt"]["what"]
    assert "ValueError: no such thing" in errors["defect.pt"]["what"]
    assert set(errors) == {"crash.pt", "defect.pt", "killed.pt"}
    assert "RD301" in [finding["code"] for file in found for finding in file["findings"]]
    assert len(ran.stderr.splitlines()) == 3


def few_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (12, 12))


def test_a_system_at_its_limits_is_no_defect(runs):
    ran = rnndiag("check", "runs", "--jobs", 2, folder=runs, before=few_files)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == (
        "rnndiag: RD004 the system is at a limit: too many open files; raise the limit, or take "
        "fewer --jobs\n"
    )


def test_a_defect_can_be_looked_into(tmp_path):
    harm = sabotaged(tmp_path, "defect.pt", "a.pt")
    ran = rnndiag("check", ".", *QUICK, folder=tmp_path, RNNDIAG_DEBUG="1", **harm)
    assert ran.returncode == 2
    assert "Traceback" in ran.stderr
    assert "RNNDIAG_DEBUG=1" in ran.stderr


def test_standard_input_beside_files(runs, monkeypatch):
    ran = rnndiag(
        *("check", "-", "runs/0", *QUICK, "--format", "json"), stdin=GOOD.read_bytes(), folder=runs
    )
    assert ran.returncode == 0, ran.stderr
    assert files(ran) == ["-", "runs/0/model.pt", "runs/0/other.pt"]


def state(pid: int | str) -> tuple[str, int]:
    """Of a process: what it does, and its parent. A zombie waits for its parent alone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "X", 0
    return fields[0], int(fields[1])


def is_alive(pid: int) -> bool:
    return state(pid)[0] not in {"X", "Z"}


def children(pid: int) -> set[int]:
    """Of the process, alive."""
    others = (int(entry.name) for entry in Path("/proc").glob("[0-9]*"))
    return {other for other in others if state(other)[1] == pid and is_alive(other)}


def start_slow_gate(folder: Path) -> tuple[subprocess.Popen[bytes], set[int]]:
    """A gate that takes long, and its workers (with the standard library's tracker)."""
    process = start("check", "runs", "--jobs", 2, "--seq-len", 200000, folder=folder)
    deadline = time.monotonic() + 30
    while len(workers := children(process.pid)) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.0)
    assert process.poll() is None, "it was faster than the test expects"
    return process, workers


TOLD_BY_PROC = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="nothing tells whose child it is"
)


@TOLD_BY_PROC
def test_ctrl_c_ends_the_workers_too(runs):
    process, workers = start_slow_gate(runs)
    for pid in (process.pid, *workers):
        # A terminal sends it to all of them.
        os.kill(pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, b"", b"")
    time.sleep(0.5)
    assert not any(is_alive(pid) for pid in workers)


@TOLD_BY_PROC
def test_workers_do_not_outlive_a_gate_that_is_killed(runs):
    process, workers = start_slow_gate(runs)
    process.kill()
    process.communicate(timeout=30)
    deadline = time.monotonic() + 10
    while any(is_alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(is_alive(pid) for pid in workers)


def test_a_bar_on_a_terminal_and_none_when_silenced(runs):
    for options, has_bar in (((), True), (("--no-progress",), False)):
        arguments = ["check", "runs/0", "--seq-len", "3000", *options]
        code, shown = run_in_terminal(arguments, folder=runs)
        assert code == 0
        assert ("checking files" in shown) is has_bar


# Formats


@pytest.mark.parametrize("name", ["sarif", "github", "junit"])
def test_formats_of_the_gate_are_refused_elsewhere(in_process, name):
    expect_error(in_process("spectrum", GOOD, "--format", name), "RD007", name, "is for check")


@pytest.mark.parametrize("command", ["inspect", "spectrum", "suggest", "check"])
def test_csv_is_for_traces(in_process, command):
    expect_error(in_process(command, GOOD, "--format", "csv"), "RD007", "csv", "bptt-trace")


def test_the_step_summary_is_appended_to(runs):
    summary = runs / "summary.md"
    summary.write_text("### before\n")
    more = {"GITHUB_STEP_SUMMARY": str(summary)}
    ran = rnndiag("check", "runs", "--format", "github", folder=runs, **more)
    assert ran.returncode == 1
    assert ran.stdout.startswith("::error file=runs/exploding.pt,title=RD301")
    text = summary.read_text()
    assert text.startswith("### before\n### rnndiag check\n")
    assert text.count("RD301") > 1
    # No other format writes to it.
    assert rnndiag("check", "runs", "--format", "json", folder=runs, **more).returncode == 1
    assert summary.read_text() == text


def test_a_step_summary_that_cannot_be_written(runs):
    more = {"GITHUB_STEP_SUMMARY": str(runs / "nowhere" / "summary.md")}
    ran = rnndiag("check", "runs", "--format", "github", folder=runs, **more)
    expect_error(ran, "RD008", "summary.md cannot be written")
