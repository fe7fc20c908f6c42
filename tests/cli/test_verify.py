"""--verify: checksums that torch.load does not look at."""

from __future__ import annotations

import hashlib
import json

import pytest
import torch
from containers.bad_files import flip_a_bit

import rnndiag.cli


@pytest.fixture
def altered(tmp_path):
    """A checkpoint in which one byte of a weight differs from what its checksum was made of."""
    path = tmp_path / "model.pt"
    torch.save(torch.nn.LSTM(3, 4).state_dict(), path)
    return flip_a_bit(str(path), "data/1")


@pytest.mark.parametrize("command", ["inspect", "spectrum", "bptt-trace", "suggest", "check"])
def test_a_wrong_checksum_is_refused(altered, command, capsys):
    assert rnndiag.cli.run([command, altered, "--verify"]) == 2
    error = capsys.readouterr().err
    assert "RD003" in error
    assert "data/1" in error
    assert rnndiag.cli.run([command, altered]) == 0


def test_the_sha256_is_that_of_the_file(tmp_path, capsys):
    path = tmp_path / "model.pt"
    torch.save(torch.nn.GRU(3, 4).state_dict(), path)
    assert rnndiag.cli.run(["inspect", str(path), "--verify", "--format", "json"]) == 0
    (file,) = json.loads(capsys.readouterr().out)["files"]
    assert file["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert rnndiag.cli.run(["inspect", str(path), "--verify", "--format", "table"]) == 0
    assert file["sha256"] in capsys.readouterr().out
    assert rnndiag.cli.run(["inspect", str(path), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"][0]["sha256"] is None
