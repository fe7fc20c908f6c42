"""The user's own arrays: what numpy wrote is read, and anything else is one line."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from rnndiag.containers.arrays import ALONE, NOT_READABLE, read_arrays
from rnndiag.errors import InputCode, RnndiagError

CHANGED = 1_000
"""Of each kind; 60,000 of them once raised four kinds of exception that ended in RD009."""


def failure(path: Path) -> RnndiagError:
    with pytest.raises(RnndiagError) as raised:
        read_arrays(str(path))
    return raised.value


def written(path: Path) -> Path:
    numbers = np.arange(12.0).reshape(3, 2, 2)
    {".npy": np.save, ".npz": np.savez, ".zip": np.savez_compressed}[path.suffix](path, numbers)
    return path if path.exists() else path.with_name(f"{path.name}.npz")


def test_an_array_of_its_own(tmp_path: Path) -> None:
    arrays = read_arrays(str(written(tmp_path / "inputs.npy")))
    np.testing.assert_array_equal(arrays[ALONE].ravel(), np.arange(12.0))
    assert list(read_arrays(str(written(tmp_path / "inputs.npz")))) == ["arr_0"]


def test_a_checkpoint_is_no_array(tmp_path: Path) -> None:
    torch.save({"weight": torch.ones(2)}, tmp_path / "model.pt")
    error = failure(tmp_path / "model.pt")
    assert error.code is InputCode.USAGE
    assert error.what == f"{tmp_path / 'model.pt'} {NOT_READABLE}"


@pytest.mark.filterwarnings("ignore")  # numpy warns of some damaged headers
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".zip"])
def test_a_damaged_file_is_refused_or_read(suffix: str, tmp_path: Path) -> None:
    whole = written(tmp_path / f"inputs{suffix}").read_bytes()
    chance = random.Random(0)
    refused = []
    path = tmp_path / "changed"
    for _ in range(CHANGED):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 5)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(data if chance.random() < 0.7 else data[: chance.randrange(len(data))])
        try:
            read_arrays(str(path))
        except RnndiagError as error:
            refused.append(error.code)
    assert set(refused) == {InputCode.USAGE}
    assert CHANGED // 4 < len(refused) < CHANGED
