"""`rnndiag report`: where the page goes, several files, exit codes, and what it takes."""

from __future__ import annotations

import json
import shutil

import pytest
from cli.command import FIXTURES, expect_error, rnndiag
from render.html.parsed import data_of, parsed

GRU, EXPLODING = "gru.pt", "exploding.pt"
BRIEF = ("--seq-len", 40, "--batch", 2)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    shutil.copy(FIXTURES / "delayed_recall_gru.pt", tmp_path / GRU)
    shutil.copy(FIXTURES / "exploding_rnn.pt", tmp_path / EXPLODING)
    (tmp_path / "cut.pt").write_bytes((tmp_path / GRU).read_bytes()[:3000])
    (tmp_path / "notes.txt").write_text("words")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RNNDIAG_CHECKPOINT", raising=False)
    return tmp_path


def data(page: str):
    assert page.startswith("<!DOCTYPE html>\n")
    return data_of(parsed(page.removeprefix("<!DOCTYPE html>\n")))


def test_the_page_has_a_name_where_none_is_given(folder):
    ran = rnndiag("report", GRU, *BRIEF, folder=folder)
    assert (ran.returncode, ran.stdout) == (0, "")
    assert ran.stderr == "report written to rnndiag-report.html\n"
    assert data((folder / "rnndiag-report.html").read_text())["command"] == "report"


def test_quiet_says_nothing(folder, in_process):
    ran = in_process("report", GRU, *BRIEF, "-o", "page.html", "-q")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert (folder / "page.html").is_file()


def test_a_dash_is_stdout_of_every_command(folder, in_process):
    for command in ("report", "spectrum"):
        ran = in_process(command, GRU, "-o", "-")
        assert (ran.returncode, ran.stderr) == (0, "")
        assert GRU in ran.stdout
    assert not (folder / "-").exists()


def test_without_a_checkpoint_it_shows_the_sample(folder, in_process):
    ran = in_process("report", "-o", "page.html")
    assert ran.returncode == 0
    assert ran.stderr.startswith("no checkpoint given: showing the bundled sample")
    assert data((folder / "page.html").read_text())["files"][0]["path"] == "delayed_recall_lstm.pt"


def test_its_numbers_are_those_of_the_single_commands(folder, in_process):
    def layer(*arguments):
        ran = in_process(*arguments, "--format", "json")
        return json.loads(ran.stdout)["files"][0]["layers"][0]

    whole = layer("report", GRU, *BRIEF)
    assert whole["spectrum"] == layer("spectrum", GRU)["spectrum"]
    assert whole["trace"] == layer("bptt-trace", GRU, *BRIEF)["trace"]
    ran = in_process("suggest", GRU, *BRIEF, "--format", "json")
    advice = json.loads(ran.stdout)["files"][0]["advice"]
    ran = in_process("report", GRU, *BRIEF, "--format", "json")
    assert json.loads(ran.stdout)["files"][0]["advice"] == advice


def test_several_files_and_a_folder(folder, in_process):
    (folder / "runs").mkdir()
    (folder / GRU).rename(folder / "runs" / GRU)
    shutil.copy(folder / "notes.txt", folder / "runs")
    ran = in_process("report", "runs", EXPLODING, EXPLODING, *BRIEF, "-o", "page.html")
    assert ran.returncode == 0
    found = data((folder / "page.html").read_text())
    assert [file["path"] for file in found["files"]] == [EXPLODING, f"runs/{GRU}"]
    assert [one["path"] for one in found["skipped_files"]] == ["runs/notes.txt"]


def test_a_file_that_cannot_be_read_is_a_section_and_exit_2(folder, in_process):
    ran = in_process("report", "cut.pt", GRU, *BRIEF, "-o", "page.html", "-q")
    expect_error(ran, "RD003", where="cut.pt")
    found = data((folder / "page.html").read_text())
    assert [file["error"] and file["error"]["code"] for file in found["files"]] == ["RD003", None]
    assert found["verdict"]["exit_code"] == 2


def test_findings_fail_it_where_that_is_asked_for(folder, in_process):
    arguments = ("report", EXPLODING, "--seq-len", 200, "-o", "page.html", "-q")
    assert in_process(*arguments).returncode == 0
    assert in_process(*arguments, "--fail-on", "error").returncode == 1
    ran = in_process("report", "--fail-on", "error", "-o", "page.html")
    expect_error(ran, "RD007", "no checkpoint given")


def test_an_unwritable_page_leaves_the_old_one(folder, in_process):
    ran = in_process("report", GRU, *BRIEF, "-o", "missing/page.html")
    expect_error(ran, "RD008", "missing/page.html cannot be written")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--format", "table"), "report has html, json"),
        (("--plot", "x.png"), "report has no picture"),
        (("--optimizer", "o.pt", EXPLODING), "--optimizer is one checkpoint's"),
        (("--layer", "none*"), "no layer matches"),
    ],
)
def test_what_it_does_not_take(folder, in_process, arguments, words):
    ran = in_process("report", GRU, *arguments, *BRIEF, "-o", "page.html", "-q")
    expect_error(ran, "RD007", words)


def test_its_page_is_no_other_commands(folder, in_process):
    expect_error(in_process("spectrum", GRU, "--format", "html"), "RD007", "html is for report")
