"""A name that leads nowhere is answered with the one that may have been meant; URLs stay whole."""

from __future__ import annotations

import pytest
from cli.command import FIXTURES, expect_error, rnndiag

URLS = ("s3://bucket/best.pt", "https://host/best.pt?download=true", "hf://org/model/*.pt")
COMMANDS = ("inspect", "spectrum", "bptt-trace", "suggest", "check")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "epoch_10.pth").touch()
    (tmp_path / "model.pt").touch()
    return tmp_path


@pytest.mark.parametrize("url", URLS)
def test_a_url_is_said_to_be_one_and_printed_as_it_was_typed(folder, in_process, url):
    for command in COMMANDS:
        expect_error(in_process(command, url), "RD001", "a URL", "download it", where=url)
    ran = in_process("diff", url, FIXTURES / "char_rnn.pt", "--seq-len", 5)
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"{url}: RD001 a URL")


def test_a_url_in_the_configuration_stays_whole(folder):
    (folder / "rnndiag.toml").write_text('checkpoint = "s3://bucket/best.pt"\n')
    for where in (folder, folder / "runs"):
        ran = rnndiag("inspect", folder=where)
        expect_error(ran, "RD001", "a URL", where="s3://bucket/best.pt")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("modle.pt", "model.pt"),
        ("MODEL.PT", "model.pt"),
        ("model", "model.pt"),
        ("runs/epoch10.pth", "runs/epoch_10.pth"),
        ("./runs/epoch_1.pth", "./runs/epoch_10.pth"),
    ],
)
def test_a_near_name_is_suggested(folder, in_process, typed, meant):
    for command in ("inspect", "check"):
        expect_error(in_process(command, typed), "RD001", f"no such file; did you mean {meant}?")


@pytest.mark.parametrize("typed", ["weights.bin", "elsewhere/model.pt", "zzz", "x\0y"])
def test_nothing_is_suggested_where_nothing_is_near(folder, in_process, typed):
    ran = in_process("inspect", typed)
    expect_error(ran, "RD001")
    assert "did you mean" not in ran.stderr


def test_a_hostile_name_is_suggested_escaped(folder, in_process):
    (folder / "model\x1b[31m.ckpt").touch()
    expect_error(
        in_process("inspect", "model[31m.ckpt"), "RD001", "did you mean model\\x1b[31m.ckpt?"
    )


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("model.pt", "rnndiag inspect model.pt"),
        ("modle.pt", "rnndiag inspect model.pt"),
        ("runs", "rnndiag check runs"),
        ("s3://bucket/m.pt", "rnndiag inspect s3://bucket/m.pt"),
        ("insepct", "did you mean inspect?"),
        ("zzz", "see rnndiag --help"),
    ],
)
def test_a_file_in_a_command_s_place(folder, in_process, typed, meant):
    expect_error(in_process(typed), "RD007", f"no command {typed}; ", meant)
