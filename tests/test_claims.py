"""Who decides in a folder: the names, the contents, and what a gate makes of both."""

from __future__ import annotations

from pathlib import Path

import neighbours
import pytest
from cli.command import rnndiag

from rnndiag.analysis import Request
from rnndiag.claims import STOPS, Claim, claim_of, stops
from rnndiag.errors import Content, InputCode, RnndiagError
from rnndiag.gate import check_paths
from rnndiag.report import ExitCode, Report

QUICK = ("--seq-len", 20, "--batch", 1)


def judged(path: Path) -> Report:
    reports, skipped = check_paths([str(path)], Request())
    return Report("check", {}, reports, skipped, "error")


@pytest.fixture
def beside(tmp_path: Path):
    """A folder with a sound network, and whatever is put beside it."""
    (tmp_path / "good.pt").write_bytes(neighbours.GOOD)

    def put(name: str, data: bytes) -> Path:
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return put


@pytest.mark.parametrize("name", neighbours.PASSED)
def test_a_neighbour_is_passed_over_and_said_what_it_is(beside, name):
    data, words = neighbours.PASSED[name]
    path = beside(name, data)
    report = judged(path.parent)
    assert report.exit_code is ExitCode.CLEAN
    (skipped,) = report.skipped_files
    assert (Path(skipped.name).name, words in skipped.reason) == (name, True), skipped.reason
    assert "\n" not in skipped.reason


@pytest.mark.parametrize("name", neighbours.PASSED)
def test_the_same_file_by_its_name_gives_no_verdict(beside, name):
    data, words = neighbours.PASSED[name]
    report = judged(beside(name, data))
    assert report.exit_code is ExitCode.NO_VERDICT
    assert words in report.files[0].error.what
    assert report.files[0].error.remedy


@pytest.mark.parametrize("case", neighbours.STOPPED)
def test_what_is_broken_under_a_name_that_promises_gives_no_verdict(beside, case):
    name, data, words = neighbours.STOPPED[case]
    path = beside(name, data)
    for looked_at in (path.parent, path):
        report = judged(looked_at)
        assert report.exit_code is ExitCode.NO_VERDICT
        (failed,) = [file for file in report.files if file.error is not None]
        assert (Path(failed.path).name, words in failed.error.what) == (name, True), failed.error
        assert report.skipped_files == ()


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_project_folder(tmp_path, jobs):
    """As they come: every neighbour at once, then one broken file among them."""
    (tmp_path / "good.pt").write_bytes(neighbours.GOOD)
    for name, (data, _) in neighbours.PASSED.items():
        (tmp_path / name).write_bytes(data)
    ran = rnndiag("check", ".", *QUICK, "--jobs", jobs, folder=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    said = [line.partition(": skipped: ")[0] for line in ran.stdout.splitlines()]
    assert all(said.count(name) == 1 for name in neighbours.PASSED)

    (tmp_path / "pointer.pt").write_bytes(neighbours.LFS)
    ran = rnndiag("check", ".", *QUICK, "--jobs", jobs, folder=tmp_path)
    assert ran.returncode == 2
    assert ran.stderr == (
        "pointer.pt: RD002 a git-lfs pointer, not a checkpoint; run `git lfs pull`\n"
    )


def test_a_shard_that_was_not_fetched_gives_no_verdict(beside):
    """The index claims for its shards."""
    index = b'{"metadata": {}, "weight_map": {"w": "m-00001-of-00001.safetensors"}}'
    beside("m.safetensors.index.json", index)
    folder = beside("m-00001-of-00001.safetensors", neighbours.LFS).parent
    report = judged(folder)
    assert report.exit_code is ExitCode.NO_VERDICT
    assert "m.safetensors.index.json" in report.files[-1].path


def test_path_files_of_python_are_none_of_our_business(tmp_path):
    folder = tmp_path / "venv" / "lib" / "site-packages"
    folder.mkdir(parents=True)
    (folder / "easy-install.pth").write_text("import os\n./somewhere\n")
    (tmp_path / "good.pt").write_bytes(neighbours.GOOD)
    assert judged(tmp_path).exit_code is ExitCode.CLEAN
    (tmp_path / "weights.pth").write_text("import os\n./somewhere\n")
    assert judged(tmp_path).exit_code is ExitCode.NO_VERDICT


@pytest.mark.parametrize(
    ("name", "claim"),
    [
        *((f"runs.d/m{ending}", Claim.CHECKPOINT) for ending in neighbours.CLAIMING),
        ("m.safetensors.index.json", Claim.CHECKPOINT),
        ("m.pth.tar", Claim.SHARED),
        ("m.pt.gz", Claim.SHARED),
        *((f"m{ending}", Claim.SHARED) for ending in neighbours.SHARED),
        ("m.csv.gz", Claim.OTHER),
        ("m.pt.json", Claim.OTHER),
        ("m.npy", Claim.OTHER),
        ("best.pt/README", Claim.UNKNOWN),
        (".pt", Claim.CHECKPOINT),
        ("m.pt.bak", Claim.UNKNOWN),
        ("pt", Claim.UNKNOWN),
        ("", Claim.UNKNOWN),
    ],
)
def test_what_a_name_claims(name, claim):
    assert claim_of(name) is claim


@pytest.mark.parametrize("code", [InputCode.USAGE, InputCode.INTERNAL])
def test_what_says_nothing_of_the_content_always_gives_no_verdict(code):
    assert stops("notes.txt", RnndiagError(code, "what", "remedy"))


def test_a_certain_recurrence_gives_no_verdict_under_any_name():
    assert set(STOPS) == set(Claim)
    assert all(Content.UNMEASURED in contents for contents in STOPS.values())
    assert not any(Content.NO_RECURRENCE in contents for contents in STOPS.values())
