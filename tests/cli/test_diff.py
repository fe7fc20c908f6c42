"""`rnndiag diff`: two files, a run's epochs, and files that do not compare."""

from __future__ import annotations

import json

import pytest
import torch
from cli.command import expect_error, rnndiag, save, scaled_rnn

QUICK = ("--seq-len", "20", "--batch", "2")


@pytest.fixture
def epochs(tmp_path):
    """Five checkpoints of one network whose W_hh grows."""
    scales = (0.5, 0.6, 0.7, 0.8, 0.9)
    return [save(tmp_path / f"epoch{n}.pt", scaled_rnn(s)) for n, s in enumerate(scales)]


def test_the_installed_command(epochs):
    ran = rnndiag("diff", epochs[0], epochs[-1], *QUICK)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "(root)/0/forward: spectral_norm=0.5,0.9 change=0.4\n" in ran.stdout


def test_two_files_stand_side_by_side(epochs, in_process):
    said = in_process("diff", *epochs[:2], *QUICK, "--format", "table").stdout
    (line,) = [line for line in said.splitlines() if "spectral radius of W_hh" in line]
    assert line.split()[-4:] == ["0.5", "0.6", "+20", "%"]


def test_many_files_have_a_trend(epochs, in_process):
    said = in_process("diff", *epochs, *QUICK, "--format", "table").stdout
    (line,) = [line for line in said.splitlines() if "spectral radius of W_hh" in line]
    assert line.split()[-1] == "▁▃▅▆█"
    plain = in_process("diff", *epochs, *QUICK, "--format", "json").stdout
    (layer,) = json.loads(plain)["comparison"]
    # Stored as float32, whose precision is 6e-8.
    assert layer["measures"]["spectral_radius"] == pytest.approx([0.5, 0.6, 0.7, 0.8, 0.9], 1e-7)
    assert layer["changes"]["spectral_radius"] == pytest.approx(0.4, 1e-6)


def test_a_file_that_cannot_be_read_is_no_verdict(epochs, tmp_path, in_process):
    (tmp_path / "empty.pt").touch()
    ran = in_process("diff", epochs[0], tmp_path / "empty.pt", *QUICK)
    assert ran.returncode == 2
    assert "RD003 the file is empty" in ran.stderr


def test_one_file_is_not_enough(epochs, in_process):
    expect_error(in_process("diff", epochs[0]), "RD007", "one checkpoint given")


def test_another_model_is_refused(epochs, tmp_path, in_process):
    other = save(tmp_path / "lstm.pt", torch.nn.LSTM(3, 8))
    expect_error(in_process("diff", epochs[0], other, *QUICK), "RD007", "not the same cell")


def test_findings_fail_the_call_where_it_is_asked_to(tmp_path, in_process):
    networks = (scaled_rnn(scale, bias=False, nonlinearity="relu") for scale in (0.5, 1.6))
    paths = [save(tmp_path / f"{n}.pt", network) for n, network in enumerate(networks)]
    call = ("diff", *paths, "--as", "*weight_hh*=rnn:relu", "--seq-len", "100")
    assert in_process(*call).returncode == 0
    assert in_process(*call, "--fail-on", "error").returncode == 1
