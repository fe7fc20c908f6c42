"""Logged norms out of every kind of log, and the line that is none."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rnndiag.containers import plain_text
from rnndiag.containers.norms import read_norms
from rnndiag.errors import InputCode, RnndiagError

TRAINER_STATE = {
    "global_step": 3,
    "log_history": [
        {"loss": 2.0, "grad_norm": 0.5, "step": 1},
        {"eval_loss": 1.9, "step": 1},
        {"loss": 1.5, "grad_norm": 1.25, "step": 2},
    ],
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.5\n1.25\n", [0.5, 1.25]),
        ("\ufeff0.5\r\n\r\n1.25", [0.5, 1.25]),
        ("# norms\n5e-1\n1.25\n", [0.5, 1.25]),
        ("0\n", [0.0]),
        ("grad_norm\n0.5\n1.25\n", [0.5, 1.25]),
        ("step,grad_norm,loss\n1,0.5,9\n2,1.25,8\n", [0.5, 1.25]),
        ("step;norm\n1;0.5\n2;1.25\n", [0.5, 1.25]),
        ("norm\tstep\n0.5\t1\n1.25\t2\n", [0.5, 1.25]),
        ('"Step","run, 3 - train/grad_norm"\n"1","0.5"\n"2","1.25"\n', [0.5, 1.25]),
        ("norm,grad_norm\n7,0.5\n7,1.25\n", [0.5, 1.25]),
        # A logger leaves out what a step did not write.
        ("step,grad_norm\n1,0.5\n2,\n3\n4,1.25\n", [0.5, 1.25]),
        ('{"grad_norm": 0.5}\n{"eval_loss": 1}\n\n{"grad_norm": 1.25}\n', [0.5, 1.25]),
        ('{"Train/Grad_Norm": 0.5}\n{"Train/Grad_Norm": "1.25"}\n', [0.5, 1.25]),
        ('{"grad_2.0_norm_total": 0.5}', [0.5]),
        ("[0.5, 1.25]", [0.5, 1.25]),
        ('[{"norm": 0.5}, {"norm": null}, {"norm": 1.25}]', [0.5, 1.25]),
        (json.dumps(TRAINER_STATE, indent=2), [0.5, 1.25]),
    ],
)
def test_every_kind_of_log(tmp_path, text, expected):
    path = tmp_path / "log"
    path.write_bytes(text.encode())
    assert read_norms(str(path)) == expected


def test_what_numpy_writes(tmp_path):
    values = np.random.default_rng(0).lognormal(size=50)
    np.savetxt(tmp_path / "norms.txt", values, header="grad_norm")
    assert read_norms(str(tmp_path / "norms.txt")) == pytest.approx(values, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["holds no norm"]),
        ("\n \n", ["holds no norm"]),
        ("grad_norm\n", ["holds no norm"]),
        ('{"loss": 1}\n{"loss": 2}', ["holds no norm"]),
        ("0.5\nonce upon a time\n", ["line 2", "'once upon a time'"]),
        ("0.5\n1.25 0.7\n", ["line 2"]),
        ("grad_norm,step\n0.5,1\nhigh,2\n", ["line 3", "'high'"]),
        ("1,0.5\n2,1.25\n", ["2 columns", "named"]),
        ("0.5\n\n-1\n", ["line 3", "'-1'"]),
        ("-inf\n", ["line 1"]),
        ('{"norm": 0.5}\n{"norm": true}\n', ["line 2", "'True'"]),
        ('{"norm": 0.5}\n{"norm": [1]}\n', ["line 2"]),
        ('{"norm": 0.5}\nnorm: 3\n', ["line 2", "no JSON"]),
        ('{"norm": 0.5}\n{"norm"', ["line 2", "no JSON"]),
        ("[" * 100_000, ["line 1", "no JSON"]),
        ('{"norm": 1' + "0" * 400 + "}", ["no norm"]),
        ('[0.5, "x"]', ["entry 2"]),
        ("0.5\n" + "9" * 200_000 + "x\n", ["line 2"]),
    ],
)
def test_what_is_no_norm_is_named(tmp_path, text, words):
    path = tmp_path / "log"
    path.write_text(text)
    with pytest.raises(RnndiagError) as caught:
        read_norms(str(path))
    assert caught.value.code is InputCode.USAGE
    for word in ("--norms", *words):
        assert word in caught.value.what
    assert len(caught.value.what) < len(str(path)) + 120
    assert "grad_norm" in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0.5\nnan\n1.25\ninf\nNaN\n", ["3 of 5 norms are not finite", "line 2 (nan)"]),
        ("step,norm\n1,0.5\n2,inf\n", ["1 of 2 norms is not finite", "line 3 (inf)"]),
        ('{"norm": NaN}\n{"norm": 1}\n', ["1 of 2", "line 1 (nan)"]),
        ('[{"norm": 1}, {"norm": Infinity}]', ["1 of 2", "entry 2 (inf)"]),
    ],
)
def test_norms_that_are_not_finite_are_counted(tmp_path, text, words):
    path = tmp_path / "log"
    path.write_text(text)
    with pytest.raises(RnndiagError) as caught:
        read_norms(str(path))
    assert caught.value.code is InputCode.USAGE
    for word in words:
        assert word in caught.value.what
    assert "loss scaler" in caught.value.remedy


def test_files_that_are_no_text(tmp_path, monkeypatch):
    (tmp_path / "binary").write_bytes(b"\x80\x02}")
    for path, word in (("binary", "no text"), ("missing", "no such file"), (".", "directory")):
        with pytest.raises(RnndiagError, match=word) as caught:
            read_norms(str(tmp_path / path))
        assert caught.value.code is InputCode.USAGE
    monkeypatch.setattr(plain_text, "LARGEST", 2**20)
    (tmp_path / "long").write_text("0.5\n" * 300_000)
    with pytest.raises(RnndiagError, match="more than 1 MB"):
        read_norms(str(tmp_path / "long"))
