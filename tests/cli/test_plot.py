"""`--plot`: a picture beside the report, or one line that says why there is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from cli.command import FIXTURES, expect_error, save, scaled_rnn
from matplotlib.image import imread

from rnndiag.plots import PLOTS


@pytest.mark.parametrize("command", PLOTS)
def test_the_command_writes_it(command, tmp_path, in_process):
    files = [FIXTURES / "delayed_recall_gru.pt"] * (2 if command == "diff" else 1)
    target = tmp_path / "picture.png"
    ran = in_process(command, *files, "--plot", target)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert imread(target).shape[2] == 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("inspect", "--plot", "x.png"), "inspect has no picture"),
        (("spectrum", "--plot", "x.gif"), "no picture; end it in png, svg, pdf"),
        (("spectrum", "--plot", "no/folder/x.png"), "cannot be written"),
    ],
)
def test_what_cannot_be_drawn(options, words, tmp_path, in_process, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command, *rest = options
    path = save(tmp_path / "model.pt", scaled_rnn(0.5))
    expect_error(in_process(command, path, *rest), "RD008" if "no/" in rest[1] else "RD007", words)
    assert not list(Path(tmp_path).glob("x.*"))


def test_matplotlib_may_be_absent(tmp_path, in_process, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    path = save(tmp_path / "model.pt", scaled_rnn(0.5))
    ran = in_process("spectrum", path, "--plot", tmp_path / "x.png")
    expect_error(ran, "RD007", "needs matplotlib", 'pip install "rnndiag[plot]"')


@pytest.mark.parametrize("command", PLOTS)
def test_where_nothing_was_measured_the_report_stands_and_says_why(command, tmp_path, in_process):
    module = scaled_rnn(0.5)
    module.weight_hh_l0.data[0, 0] = float("nan")
    path = save(tmp_path / "model.pt", module)
    files = [path] * (2 if command == "diff" else 1)
    ran = in_process(command, *files, "--plot", tmp_path / "x.png")
    assert ran.returncode == 2
    assert "RD101" in ran.stdout
    assert "to draw" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert not list(tmp_path.glob("x.*"))
