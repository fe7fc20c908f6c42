"""Files and folders to reports: every file once, none passed over in silence."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch
from cli.command import FIXTURES

import rnndiag
from rnndiag.analysis import Request
from rnndiag.errors import InputCode
from rnndiag.gate import check_paths
from rnndiag.report import ExitCode, Report

GOOD = FIXTURES / "delayed_recall_gru.pt"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """models/{a.pt, note.txt, deep/b.pt, .hidden/c.pt}, to work in."""
    for place in ("models/a.pt", "models/deep/b.pt", "models/.hidden/c.pt"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(GOOD, tmp_path / place)
    (tmp_path / "models" / "note.txt").write_text("words")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def checked(*paths: str):
    reports, skipped = check_paths(paths, Request())
    return [report.path for report in reports], [entry.name for entry in skipped], reports


def test_a_folder_is_walked_in_order_without_hidden_files(folder):
    files, skipped, _ = checked("models")
    assert files == ["models/a.pt", "models/deep/b.pt"]
    assert skipped == ["models/note.txt"]


def test_a_skipped_file_has_its_reason(folder):
    _, skipped = check_paths(["models"], Request())
    assert skipped[0].reason == "a text file, not a checkpoint"


def test_a_named_file_that_is_no_checkpoint_is_an_error(folder):
    files, skipped, reports = checked("models/note.txt")
    assert (files, skipped) == (["models/note.txt"], [])
    assert reports[0].error.code is InputCode.NOT_A_CHECKPOINT


@pytest.mark.parametrize(
    "name", ["models/note.txt", "./models/note.txt", "models/deep/../note.txt", "z.txt"]
)
def test_a_file_that_is_named_and_found_counts_as_named(folder, name):
    Path("z.txt").symlink_to("models/note.txt")
    _, skipped, reports = checked("models", name)
    assert skipped == []
    assert [r.error.code for r in reports if r.error] == [InputCode.NOT_A_CHECKPOINT]


def test_a_damaged_file_in_a_folder_is_no_reason_to_look_away(folder):
    Path("models/z.pt").write_bytes(GOOD.read_bytes()[:20000])
    _, skipped, reports = checked("models")
    assert skipped == ["models/note.txt"]
    assert reports[-1].error.code is InputCode.DAMAGED
    assert Report("check", {}, reports).exit_code is ExitCode.NO_VERDICT


def test_the_same_file_gives_one_result(folder):
    os.link("models/a.pt", "models/hard.pt")
    Path("models/soft.pt").symlink_to("a.pt")
    files, _, _ = checked("models", "models/", "models/a.pt", "./models/a.pt")
    assert len([name for name in files if not name.endswith("b.pt")]) == 1


def test_links_in_a_circle_and_pipes_end(folder):
    Path("models/round").symlink_to(".")
    Path("models/self.pt").symlink_to("self.pt")
    os.mkfifo("models/pipe")
    files, skipped, _ = checked("models")
    assert files == ["models/a.pt", "models/deep/b.pt", "models/self.pt"]
    assert skipped == ["models/note.txt", "models/pipe", "models/round"]
    _, _, reports = checked("models/self.pt", "models/pipe")
    assert [r.error.code for r in reports] == [InputCode.CANNOT_OPEN] * 2


def test_an_empty_name_is_not_this_folder(folder):
    _, _, reports = checked("")
    assert reports[0].error.code is InputCode.CANNOT_OPEN


def test_files_come_sorted_by_path(folder):
    shutil.copy(FIXTURES / "char_rnn.pt", "z.pt")
    assert checked("z.pt", "models")[0] == ["models/a.pt", "models/deep/b.pt", "z.pt"]


def test_what_only_looks_recurrent_is_a_finding_in_a_folder(tmp_path):
    """Skipped in silence, a folder of networks that nobody measured would pass."""
    torch.save({"rnn.hh": torch.ones(8, 8)}, tmp_path / "unknown.pt")
    alone = rnndiag.check(str(tmp_path))
    assert [finding.code for finding in alone.findings] == ["RD104"]
    assert alone.exit_code == 2

    torch.save(torch.nn.LSTM(3, 4).state_dict(), tmp_path / "lstm.pt")
    beside = rnndiag.check(str(tmp_path))
    assert "RD104" in [finding.code for finding in beside.findings]
    assert beside.exit_code == 0
    assert rnndiag.check(str(tmp_path), fail_on="warning").exit_code == 1
