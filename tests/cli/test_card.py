"""The commands literally as a first-time user types them, and where a checkpoint comes from."""

from __future__ import annotations

import json
import shutil

import pytest
from cli.command import FIXTURES, rnndiag

from rnndiag.cli import run
from rnndiag.cli.locate import SAMPLE

NOTICE = "no checkpoint given: showing the bundled sample (delayed_recall_lstm.pt"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a model.pt and a second.pt, to work in."""
    shutil.copy(FIXTURES / "delayed_recall_gru.pt", tmp_path / "model.pt")
    shutil.copy(FIXTURES / "char_rnn.pt", tmp_path / "second.pt")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RNNDIAG_CHECKPOINT", raising=False)
    return tmp_path


def test_spectrum_model(folder):
    ran = rnndiag("spectrum", "model.pt", folder=folder)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("model.pt:model_state_dict.rnn/0/forward: cell=gru ")


def test_trace_without_a_checkpoint_shows_the_sample(tmp_path):
    ran = rnndiag("bptt-trace", "--seq-len", "200", folder=tmp_path)
    assert ran.returncode == 0
    assert ran.stderr.startswith(NOTICE)
    assert len(ran.stderr.splitlines()) == 1
    assert ran.stdout.startswith("delayed_recall_lstm.pt:model_state_dict.rnn/0/forward: cell=lstm")
    assert " seq_len=200 " in ran.stdout


def test_check_model(folder):
    ran = rnndiag("check", "model.pt", folder=folder)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines()[-1].startswith("clean: files 1, errors 0")


@pytest.mark.parametrize("command", ["inspect", "spectrum", "bptt-trace", "suggest"])
@pytest.mark.parametrize("form", ["table", "concise", "json"])
def test_the_samples_place_is_never_shown(tmp_path, monkeypatch, capsys, command, form):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RNNDIAG_CHECKPOINT", raising=False)
    assert run([command, "--format", form]) == 0
    said = capsys.readouterr()
    assert "delayed_recall_lstm.pt" in said.out
    for place in (str(SAMPLE), str(SAMPLE.parent), str(tmp_path)):
        assert place not in said.out + said.err
    assert said.err.startswith(NOTICE)


def test_quiet_leaves_the_notice_out(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RNNDIAG_CHECKPOINT", raising=False)
    assert run(["spectrum", "-q"]) == 0
    assert capsys.readouterr().err == ""


def shown_file(capsys, *arguments: str) -> str:
    assert run(["inspect", *arguments, "--format", "json"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return json.loads(said.out)["files"][0]["path"]


def test_where_a_checkpoint_comes_from(folder, monkeypatch, capsys):
    (folder / "pyproject.toml").write_text('[tool.rnndiag]\ncheckpoint = "model.pt"\n')
    assert shown_file(capsys) == "model.pt"
    (folder / "rnndiag.toml").write_text('checkpoint = "second.pt"\n')
    assert shown_file(capsys) == "second.pt"
    monkeypatch.setenv("RNNDIAG_CHECKPOINT", "model.pt")
    assert shown_file(capsys) == "model.pt"
    assert shown_file(capsys, "second.pt") == "second.pt"


def test_a_gate_takes_the_configured_checkpoint(folder, monkeypatch, capsys):
    (folder / "rnndiag.toml").write_text('checkpoint = "model.pt"\n')
    assert run(["check"]) == 0
    assert run(["spectrum", "--fail-on", "error"]) == 0
    monkeypatch.setenv("RNNDIAG_CHECKPOINT", "missing.pt")
    assert run(["check"]) == 2
    assert capsys.readouterr().err == "missing.pt: RD001 no such file; check the path\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rnndiag.toml", "checkpoint = 3\n"),
        ("rnndiag.toml", "checkpoint = \n"),
        ("pyproject.toml", "[tool.rnndiag]\ncheckpoint = ['a']\n"),
        ("pyproject.toml", "[tool]\nrnndiag = 'x'\n"),
    ],
)
def test_a_broken_configuration_is_named(folder, capsys, name, text):
    (folder / name).write_text(text)
    assert run(["spectrum"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("rnndiag: RD007 ")
    assert name in said.err
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize("text", ["tool = 3\n", "[tool.other]\na = 1\n"])
def test_a_configuration_of_others_is_passed_over(folder, capsys, text):
    (folder / "pyproject.toml").write_text(text)
    assert run(["spectrum"]) == 0
    assert capsys.readouterr().err.startswith(NOTICE)
