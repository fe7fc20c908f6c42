"""The Python API gives the results of the commands, lazily, and raises where they exit 2."""

from __future__ import annotations

import json

import pytest
from cli.command import FIXTURES

import rnndiag
from rnndiag.advice import AdviceRequest
from rnndiag.cli import run
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.tracing import TraceRequest

PATH = str(FIXTURES / "delayed_recall_gru.pt")


def layer_of(capsys, *arguments: str):
    assert run([*arguments, PATH, "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)["files"][0]["layers"][0]


def test_spectrum_is_the_commands(capsys):
    shown = layer_of(capsys, "spectrum")["spectrum"]["blocks"]
    blocks = rnndiag.spectrum(PATH).layers[0].spectrum.blocks
    assert [b["spectral_norm"] for b in shown] == pytest.approx([b.spectral_norm for b in blocks])


def test_trace_is_the_commands(capsys):
    shown = layer_of(capsys, "bptt-trace", "--seq-len", "30", "--seed", "3")["trace"]
    trace = rnndiag.trace(PATH, TraceRequest(seq_len=30, seed=3)).layers[0].trace
    for one, drive in zip(shown["drives"], trace.drives, strict=True):
        assert one["log10_gradient_norm"] == pytest.approx(drive.log10_gradient_norm, rel=1e-11)


def test_inspect_measures_nothing_more():
    (item,) = rnndiag.inspect(PATH).layers
    assert item.spectrum is item.trace is None


def test_suggest_and_read():
    assert rnndiag.suggest(PATH).clipping.basis == "optimizer-state"
    known = AdviceRequest(logged_norms=[0.5] * 30)
    assert rnndiag.suggest(PATH, known=known).clipping.basis == "logged-norms"
    assert rnndiag.read(PATH).container == "torch-zip"


def test_check_gives_the_commands_exit_code():
    assert rnndiag.check(PATH).exit_code == 0
    assert rnndiag.check(str(FIXTURES / "exploding_rnn.pt")).exit_code == 1
    report = rnndiag.check("missing.pt", PATH)
    assert report.exit_code == 2
    assert [file.error is None for file in report.files] == [True, False]


@pytest.mark.parametrize("name", ["inspect", "spectrum", "trace", "suggest", "read"])
def test_a_missing_file_raises(name):
    with pytest.raises(RnndiagError) as caught:
        getattr(rnndiag, name)("missing.pt")
    assert caught.value.code is InputCode.CANNOT_OPEN


def test_unknown_names_and_all():
    with pytest.raises(AttributeError, match="nonsense"):
        _ = rnndiag.nonsense
    for name in rnndiag.__all__:
        assert getattr(rnndiag, name) is not None
