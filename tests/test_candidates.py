"""What a gate meets below a folder or along a pattern and cannot look at is said, never dropped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cli.command import rnndiag

from rnndiag.candidates import candidates_of
from rnndiag.errors import InputCode

NOBODY = 65534


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """runs/{a,shut,names}/model.pt; of shut nothing is to be had, of names only the names."""
    for name in ("a", "shut", "names"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "model.pt").write_bytes(b"x")
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    Path("runs/shut").chmod(0)
    Path("runs/names").chmod(0o444)
    # Modes mean nothing to root, as whom these tests may run.
    if os.geteuid() == 0:
        os.seteuid(NOBODY)
        yield tmp_path
        os.seteuid(0)
    else:
        yield tmp_path
    for name in ("shut", "names"):
        Path("runs", name).chmod(0o755)


def met(*paths: str, allow_empty: bool = False):
    """By path, the code of what is wrong, None for a file to look at."""
    found = candidates_of(paths, allow_empty)
    return {one.path: None if one.error is None else one.error.code for one in found}


CLOSED = InputCode.CANNOT_OPEN


def test_a_folder_that_cannot_be_looked_into_hides_no_other(runs):
    found = {"runs/a/model.pt": None, "runs/names/model.pt": None, "runs/shut": CLOSED}
    assert met("runs") == found
    assert met("runs/shut", allow_empty=True) == {"runs/shut": CLOSED}


@pytest.mark.parametrize("pattern", ["runs/*/model.pt", "runs/**/*.pt", "runs/*/m*"])
def test_a_pattern_passes_no_closed_folder_in_silence(runs, pattern):
    found = met(pattern, allow_empty=True)
    found.pop("runs/names/model.pt", None)  # where only names are asked for, it is found
    assert found == {"runs/a/model.pt": None, "runs/names/": CLOSED, "runs/shut/": CLOSED}


def test_a_pattern_below_a_closed_folder_is_not_without_a_match(runs):
    assert met("runs/shut/*.pt", allow_empty=True) == {"runs/shut/": CLOSED}
    assert list(met("nowhere/*.pt")) == ["nowhere/*.pt"]
    assert met("nowhere/*.pt", "*.none", allow_empty=True) == {}


def test_a_link_to_nothing_gives_no_verdict(tmp_path):
    """What git-annex or DVC leave of a checkpoint that was not fetched."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "best.pt").symlink_to("../objects/0a1b.pt")
    for path in ("runs", "runs/best.pt"):
        ran = rnndiag("check", path, "--allow-empty", folder=tmp_path)
        assert ran.returncode == 2
        assert ran.stderr == (
            "runs/best.pt: RD001 a link to a file that is not there; fetch it, or remove the link\n"
        )


def test_a_link_to_a_folder_is_not_followed_and_said(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "latest").symlink_to("../elsewhere")
    ran = rnndiag("check", "runs", folder=tmp_path)
    assert ran.returncode == 2
    assert "runs/latest: skipped: a link to a folder, which is not followed" in ran.stdout
