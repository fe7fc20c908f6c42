"""Standard input: spooled, capped, and gone when the process is."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from containers.builders import SIX_FLOATS, in_dict, tensor, torch_zip

from rnndiag.containers import read
from rnndiag.errors import InputCode, RnndiagError


def piped(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def checkpoint_bytes(folder: Path) -> bytes:
    return Path(torch_zip(folder, in_dict(tensor((2, 3), (3, 1))), {"0": SIX_FLOATS})).read_bytes()


def test_a_checkpoint_from_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spools = tmp_path / "spools"
    spools.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spools))
    piped(monkeypatch, checkpoint_bytes(tmp_path))
    checkpoint = read("-", verify=True)
    assert checkpoint.path == "-"
    assert os.listdir(spools) == []  # noqa: PTH208 (the names are all that counts)
    for _ in range(2):
        assert checkpoint.tensors["weight"].load().sum() == 15
        assert sum(block.sum() for block in checkpoint.tensors["weight"].blocks()) == 15


def test_nothing_too_much_and_rubbish(monkeypatch: pytest.MonkeyPatch) -> None:
    for data, code in ((b"", InputCode.DAMAGED), (b"hello\n", InputCode.NOT_A_CHECKPOINT)):
        piped(monkeypatch, data)
        with pytest.raises(RnndiagError) as caught:
            read("-")
        assert caught.value.code is code
    monkeypatch.setattr("rnndiag.containers.standard_input.MAX_BYTES", 1000)
    piped(monkeypatch, bytes(1001))
    with pytest.raises(RnndiagError) as caught:
        read("-")
    assert caught.value.code is InputCode.REFUSED
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(RnndiagError) as caught:
        read("-")
    assert caught.value.code is InputCode.CANNOT_OPEN


def test_a_real_pipe(tmp_path: Path) -> None:
    code = "from rnndiag import read; print(read('-').tensors['weight'].load().sum())"
    data = checkpoint_bytes(tmp_path)
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
    assert done.stdout.strip() == b"15.0"
