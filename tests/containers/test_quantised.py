"""Quantised tensors against torch's own dequantize."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from containers.builders import SIX_FLOATS, in_dict, opcode_global, storage, torch_zip

from rnndiag.containers import read
from rnndiag.errors import InputCode, RnndiagError

pytestmark = pytest.mark.filterwarnings("ignore")
DTYPES = [torch.qint8, torch.quint8, torch.qint32]


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_scheme(tmp_path: Path, dtype: torch.dtype, legacy: bool) -> None:
    torch.manual_seed(0)
    numbers = torch.randn(64, 37) * 3
    scales = torch.rand(37, dtype=torch.float64) / 20 + 0.01
    zeros = torch.randint(0, 5, (37,))
    tensors = {
        "whole": torch.quantize_per_tensor(numbers, 0.0371, 3, dtype),
        "channels": torch.quantize_per_channel(numbers, scales, zeros, 1, dtype),
    }
    tensors["transposed"] = tensors["whole"].t()
    path = str(tmp_path / "q.pt")
    torch.save(tensors, path, _use_new_zipfile_serialization=not legacy)
    checkpoint = read(path)
    for name, expected in tensors.items():
        stored = checkpoint.tensors[name]
        assert stored.dtype == "float32"
        np.testing.assert_array_equal(stored.load(), expected.dequantize().numpy())
        assert np.concatenate(list(stored.blocks())).shape == stored.shape
    assert checkpoint.notes[0].startswith("whole is quantised ")
    assert all(note.endswith(": dequantised") for note in checkpoint.notes)


def test_plain_int8_stays_int8(tmp_path: Path) -> None:
    path = str(tmp_path / "plain.pt")
    torch.save({"w": torch.arange(3, dtype=torch.int8)}, path)
    checkpoint = read(path)
    assert checkpoint.tensors["w"].dtype == "int8"
    assert checkpoint.notes == ()


def quantised(parameters: bytes, kind: str = "QInt8Storage") -> bytes:
    head = opcode_global("torch._utils", "_rebuild_qtensor") + b"(" + storage("0", 6, kind)
    return in_dict(head + b"K\x00K\x06\x85K\x01\x85" + parameters + b"\x89NtR")


AFFINE = opcode_global("torch", "per_tensor_affine")
CHANNELS = opcode_global("torch", "per_channel_affine")


@pytest.mark.parametrize(
    "parameters",
    [
        b"(" + AFFINE + b"NK\x00t",
        b"(" + AFFINE + b"\x88K\x00t",
        b"(" + AFFINE + b"G\x7f\xf0\0\0\0\0\0\0K\x00t",
        b"(" + AFFINE + b"G\x7f\xe0\0\0\0\0\0\0K\x00t",
        b"(" + CHANNELS + b"NNK\x00t",
        b"(" + CHANNELS + b"K\x01K\x01K\x00t",
    ],
)
def test_scales_that_make_no_sense(tmp_path: Path, parameters: bytes) -> None:
    with pytest.raises(RnndiagError) as caught:
        read(torch_zip(tmp_path, quantised(parameters), {"0": SIX_FLOATS}))
    assert caught.value.code is InputCode.DAMAGED


def test_other_schemes_and_widths_are_skipped(tmp_path: Path) -> None:
    other = opcode_global("torch", "per_channel_symmetric")
    cases = [
        quantised(b"(" + other + b"t"),
        quantised(b"N"),
        quantised(b"(" + AFFINE + b"K\x01K\x00t", "QUInt4x2Storage"),
    ]
    for pickled in cases:
        checkpoint = read(torch_zip(tmp_path, pickled, {"0": SIX_FLOATS}))
        assert checkpoint.tensors == {}
        assert "is not read" in checkpoint.skipped[0].reason
