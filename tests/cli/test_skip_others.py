"""`check --skip-others`: for those who pass on every file of a kind, as a commit hook does."""

from __future__ import annotations

import shutil

import pytest
import torch
from cli.command import FIXTURES, one_error

QUICK = ("--seq-len", 20, "--batch", 1)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """mlp.pt has no recurrent weights, exploding.pt has."""
    torch.save({"w": torch.ones(2, 3)}, tmp_path / "mlp.pt")
    shutil.copy(FIXTURES / "exploding_rnn.pt", tmp_path / "exploding.pt")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_named_file_without_recurrent_weights_is_skipped_and_listed(folder, in_process):
    assert in_process("check", "mlp.pt", "exploding.pt").returncode == 2
    ran = in_process("check", "mlp.pt", "exploding.pt", "--skip-others")
    assert (ran.returncode, ran.stderr) == (1, "")
    assert "mlp.pt: skipped: no recurrent weights" in ran.stdout
    assert "exploding.pt:" in ran.stdout
    assert ran.stdout.splitlines()[-1].endswith("skipped 1")


def test_nothing_left_is_no_verdict_unless_allowed(folder, in_process):
    ran = in_process("check", "mlp.pt", "--skip-others")
    assert ran.returncode == 2
    assert one_error(ran.stderr)["code"] == "RD006"
    assert in_process("check", "mlp.pt", "--skip-others", "--allow-empty").returncode == 0


@pytest.mark.parametrize(
    ("content", "code"), [(None, "RD001"), (b"", "RD003"), (b"<!doctype html>", "RD002")]
)
def test_a_named_file_that_is_no_checkpoint_stays_an_error(folder, in_process, content, code):
    if content is not None:
        (folder / "other.pt").write_bytes(content)
    ran = in_process("check", "other.pt", "--skip-others", "--allow-empty", *QUICK)
    assert ran.returncode == 2
    assert one_error(ran.stderr)["code"] == code


def test_a_recurrence_that_cannot_be_measured_is_not_skipped(folder, in_process):
    """As in a folder, it is a finding, and where there is nothing else, no verdict."""
    torch.save({"rnn.hh": torch.ones(8, 8)}, "unknown.pt")
    ran = in_process("check", "unknown.pt", "--skip-others", "--allow-empty")
    assert ran.returncode == 2
    assert "RD104" in ran.stdout
