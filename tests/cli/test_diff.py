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


def norms(ran):
    """The spectral norms of the only layer, in the order of the files."""
    (line,) = [line for line in ran.stdout.splitlines() if "spectral_norm=" in line]
    return line.partition("spectral_norm=")[2].split()[0]


@pytest.fixture
def run_folder(tmp_path, monkeypatch):
    """runs/epoch_{9,10,100}.pt, of growing W_hh, and what else lies there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    for epoch, scale in ((100, 0.7), (10, 0.6), (9, 0.5)):
        save(tmp_path / "runs" / f"epoch_{epoch}.pt", scaled_rnn(scale))
    (tmp_path / "runs" / "log.txt").write_text("words")
    torch.save({"w": torch.ones(2)}, tmp_path / "runs" / "mlp.pt")
    return tmp_path


@pytest.mark.parametrize("named", ["runs", "runs/epoch_*.pt", "runs/**/e*.pt"])
def test_a_folder_or_a_pattern_stands_for_its_files_by_their_numbers(run_folder, in_process, named):
    ran = in_process("diff", named, *QUICK)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert norms(ran) == "0.5,0.6,0.7"
    assert ("runs/log.txt: skipped: a text file" in ran.stdout) == (named == "runs")


def test_a_file_that_is_named_stands_where_it_was_named(run_folder, in_process):
    assert norms(in_process("diff", "runs/epoch_100.pt", "runs", *QUICK)) == "0.7,0.5,0.6"
    assert norms(in_process("diff", "runs", "runs/epoch_9.pt", *QUICK)) == "0.6,0.7,0.5"
    twice = ("runs/epoch_9.pt", "runs/epoch_9.pt")
    assert norms(in_process("diff", *twice, *QUICK)) == "0.5,0.5"


@pytest.mark.parametrize("shown", ["table", "markdown", "json"])
def test_what_else_a_folder_holds_is_said_in_every_format(run_folder, in_process, shown):
    ran = in_process("diff", "runs", *QUICK, "--format", shown)
    assert ran.returncode == 0
    assert all(name in ran.stdout for name in ("runs/log.txt", "runs/mlp.pt", "a text file"))


def test_a_folder_of_one_checkpoint_or_none_is_not_enough(run_folder, in_process):
    expect_error(in_process("diff", "runs/epoch_9.pt"), "RD007", "one checkpoint given")
    expect_error(in_process("diff", "nothing/*.pt"), "RD001", "as a pattern it matches none")
    (run_folder / "other").mkdir()
    expect_error(in_process("diff", "other"), "RD007", "no checkpoint given")
    save(run_folder / "other" / "one.pt", scaled_rnn(0.5))
    (run_folder / "other" / "note.txt").write_text("words")
    expect_error(in_process("diff", "other", *QUICK), "RD007", "one checkpoint given")


def test_a_broken_file_of_a_folder_is_no_verdict(run_folder, in_process):
    (run_folder / "runs" / "epoch_11.pt").touch()
    ran = in_process("diff", "runs", *QUICK)
    assert ran.returncode == 2
    assert ran.stderr.startswith("runs/epoch_11.pt: RD003 the file is empty")


def test_another_model_is_refused(epochs, tmp_path, in_process):
    other = save(tmp_path / "lstm.pt", torch.nn.LSTM(3, 8))
    expect_error(in_process("diff", epochs[0], other, *QUICK), "RD007", "not the same cell")


def test_findings_fail_the_call_where_it_is_asked_to(tmp_path, in_process):
    networks = (scaled_rnn(scale, bias=False, nonlinearity="relu") for scale in (0.5, 1.6))
    paths = [save(tmp_path / f"{n}.pt", network) for n, network in enumerate(networks)]
    call = ("diff", *paths, "--as", "*weight_hh*=rnn:relu", "--seq-len", "100")
    assert in_process(*call).returncode == 0
    assert in_process(*call, "--fail-on", "error").returncode == 1
