"""Checksums under `verify`, and tensors read block by block."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from containers.builders import SIX_FLOATS, in_dict, tensor, torch_zip
from safetensors.torch import save_file

from rnndiag.containers import read
from rnndiag.errors import InputCode, RnndiagError

WEIGHT = in_dict(tensor((2, 3), (3, 1)))


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_wrong_checksum_is_refused_only_when_asked(tmp_path: Path, compression: int) -> None:
    path = Path(torch_zip(tmp_path, WEIGHT, {"0": SIX_FLOATS}, None, compression))
    assert read(str(path), verify=True).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    whole = bytearray(path.read_bytes())
    entry = whole.rindex(b"PK\x01\x02")
    whole[entry + 16] ^= 1
    path.write_bytes(whole)
    assert read(str(path)).tensors["weight"].load().sum() == 15
    with pytest.raises(RnndiagError) as caught:
        read(str(path), verify=True)
    assert caught.value.code is InputCode.DAMAGED
    assert "archive/data/0" in caught.value.what


def test_a_flipped_weight_is_found(tmp_path: Path) -> None:
    path = Path(torch_zip(tmp_path, WEIGHT, {"0": SIX_FLOATS}))
    whole = bytearray(path.read_bytes())
    whole[whole.index(SIX_FLOATS) + 5] ^= 64
    path.write_bytes(whole)
    assert read(str(path)).sha256 is None
    with pytest.raises(RnndiagError, match="checksum"):
        read(str(path), verify=True)


def test_the_checksum_of_each_shard_is_noted(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "one.safetensors")
    checkpoint = read(str(tmp_path), verify=True)
    digest = hashlib.sha256((tmp_path / "one.safetensors").read_bytes()).hexdigest()
    assert checkpoint.sha256 is None
    assert checkpoint.notes == (f"one.safetensors has the sha256 {digest}",)


def test_members_that_overlap_are_refused(tmp_path: Path) -> None:
    """A hundred entries of the directory share the bytes of one."""
    path = tmp_path / "overlap.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", WEIGHT)
        archive.writestr("archive/data/0", bytes(10_000))
        info = archive.infolist()[-1]
        for number in range(100):
            other = zipfile.ZipInfo(f"archive/{number}")
            other.header_offset, other.CRC = info.header_offset, info.CRC
            other.file_size = other.compress_size = info.file_size
            archive.filelist.append(other)
            archive.NameToInfo[other.filename] = other
    with pytest.raises(RnndiagError) as caught:
        read(str(path))
    assert caught.value.code is InputCode.REFUSED
    assert "overlap" in caught.value.what


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_blocks_together_are_the_tensor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: int
) -> None:
    monkeypatch.setattr("rnndiag.containers.views.BLOCK_BYTES", 100)
    torch.manual_seed(0)
    tensors = {
        "matrix": torch.randn(50, 7),
        "wide": torch.randn(3, 400),
        "vector": torch.randn(1000),
        "cube": torch.randn(4, 3, 5),
        "rows": torch.randn(50, 7)[3:11],
        "transposed": torch.randn(6, 9).t(),
        "scalar": torch.tensor(1.5),
        "empty": torch.empty(0, 4),
        "narrow": torch.empty(4, 0),
        "half": torch.randn(70, 3).half(),
        "brain": torch.randn(70, 3).bfloat16(),
    }
    path = tmp_path / "tensors.pt"
    torch.save(tensors, path)
    if compression == zipfile.ZIP_DEFLATED:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
    for name, stored in read(str(path)).tensors.items():
        blocks = list(stored.blocks())
        whole = stored.load()
        joined = np.concatenate(blocks) if whole.ndim else blocks[0]
        np.testing.assert_array_equal(joined, whole)
        assert joined.dtype == whole.dtype
        if name == "matrix":
            assert len(blocks) == (17 if compression == zipfile.ZIP_STORED else 1)


def test_a_row_that_would_take_a_gigabyte_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "wide.safetensors"
    columns = 1 << 28
    header = {
        f"rnn.weight_{kind}_l0": {"dtype": "F32", "shape": [1, n], "data_offsets": [a, a + 4 * n]}
        for kind, n, a in (("ih", columns, 0), ("hh", 1, 4 * columns))
    }
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + 4 * columns + 4)  # a hole on the disk
    with pytest.raises(RnndiagError) as caught:
        list(read(str(path)).tensors["rnn.weight_ih_l0"].blocks())
    assert caught.value.code is InputCode.REFUSED
    assert "rows of 1024 MiB" in caught.value.what
