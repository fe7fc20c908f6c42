"""The writer against the reference library, every dtype; and all or nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from rnndiag.containers import read
from rnndiag.containers.safetensors_writer import Array, write_safetensors
from rnndiag.errors import InputCode, RnndiagError

DTYPES = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "uint8", "bool"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3, 4)])
def test_the_reference_library_reads_what_is_written(dtype, shape, tmp_path):
    path = str(tmp_path / "a.safetensors")
    tensor = (10 * torch.rand(shape)).to(getattr(torch, dtype))
    values = tensor.view(torch.int16).numpy() if dtype == "bfloat16" else tensor.numpy()
    arrays = {"a/ü": Array(dtype, values), "b": Array("float32", np.ones(2, np.float32))}
    write_safetensors(path, arrays, {"key": 'va"lue\n'})
    found = load_file(path)
    assert torch.equal(found["a/ü"], tensor)
    assert found["b"].tolist() == [1.0, 1.0]
    assert read(path).values == {"__metadata__.key": 'va"lue\n'}


def test_arrays_that_are_not_contiguous_or_big_endian(tmp_path):
    path = str(tmp_path / "a.safetensors")
    values = np.arange(6.0).reshape(2, 3)
    arrays = {"t": Array("float64", values.T), "b": Array("float64", values.astype(">f8"))}
    write_safetensors(path, arrays, {})
    found = load_file(path)
    np.testing.assert_array_equal(found["t"].numpy(), values.T)
    np.testing.assert_array_equal(found["b"].numpy(), values)


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors"
    path.write_text("old")

    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(RnndiagError, match="no space left") as caught:
        write_safetensors(str(path), {}, {})
    assert caught.value.code is InputCode.CANNOT_WRITE
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
