"""safetensors against the package of that name, and headers that lie."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from containers.timing import in_time
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from rnndiag.containers import read
from rnndiag.errors import InputCode, RnndiagError


def written(folder: Path, header: Any, data: bytes = b"", length: int | None = None) -> str:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = folder / "built.safetensors"
    path.write_bytes(struct.pack("<Q", len(raw) if length is None else length) + raw + data)
    return str(path)


def failure(path: str) -> RnndiagError:
    with pytest.raises(RnndiagError) as caught:
        read(path)
    return caught.value


def test_values_and_metadata(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tensors = {
        str(dtype).removeprefix("torch."): (torch.randn(3, 4) * 9).to(dtype)
        for dtype in (
            torch.float64,
            torch.float32,
            torch.float16,
            torch.bfloat16,
            torch.int64,
            torch.int32,
            torch.int16,
            torch.int8,
            torch.uint8,
            torch.bool,
            torch.complex64,
        )
    } | {"scalar": torch.tensor(1.5), "empty": torch.empty(0, 3)}
    path = str(tmp_path / "model.bin")
    save_file(tensors, path, {"format": "pt", "seq_len": "32"})
    checkpoint = read(path)
    assert checkpoint.container == "safetensors"
    assert checkpoint.values == {"__metadata__.format": "pt", "__metadata__.seq_len": "32"}
    assert set(checkpoint.tensors) == set(tensors)
    with safe_open(path, "pt") as oracle:
        for name, stored in checkpoint.tensors.items():
            expected = oracle.get_tensor(name)
            assert stored.dtype == str(expected.dtype).removeprefix("torch.")
            assert stored.shape == tuple(expected.shape)
            if expected.dtype is torch.bfloat16:
                expected = expected.float()
            np.testing.assert_array_equal(stored.load(), expected.numpy())
    assert len({stored.identity for stored in checkpoint.tensors.values()}) == len(tensors)


def test_float8_is_skipped_by_name(tmp_path: Path) -> None:
    path = str(tmp_path / "model.safetensors")
    save_file({"q": torch.ones(4).to(torch.float8_e5m2), "w": torch.ones(2)}, path)
    checkpoint = read(path)
    assert list(checkpoint.tensors) == ["w"]
    assert checkpoint.skipped[0].name == "q"
    assert "f8_e5m2" in checkpoint.skipped[0].reason


def entry(**changes: Any) -> dict[str, Any]:
    return {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes}


BAD = [
    (entry(shape=[3]), bytes(8)),
    (entry(shape=[-2]), bytes(8)),
    (entry(shape=[True, 2]), bytes(8)),
    (entry(shape="2"), bytes(8)),
    (entry(shape=None), bytes(8)),
    (entry(shape=[0, 1 << 70], data_offsets=[0, 0]), b""),
    (entry(dtype=5), bytes(8)),
    (entry(data_offsets=[8, 0]), bytes(8)),
    (entry(data_offsets=[0, 8, 9]), bytes(8)),
    (entry(data_offsets=[4, 12]), bytes(12)),
    (entry(data_offsets=[0.0, 8.0]), bytes(8)),
    (entry(), bytes(7)),
    (entry(), bytes(9)),
    ({"w": 3}, b""),
    (entry() | {"v": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}}, bytes(12)),
    (b'{"w', b""),
    (b'{"w": "\xff"}', b""),
    (b'{"a":' * 20_000, b""),
    (b'{"a":' + b"[" * 200_000, b""),
    (b'{"a": ' + b"9" * 5000 + b"}", b""),
    ({"__metadata__": 3}, b""),
]


@pytest.mark.parametrize(("header", "data"), BAD)
def test_headers_that_lie(tmp_path: Path, header: Any, data: bytes) -> None:
    path = written(tmp_path, header, data)
    assert failure(path).code is InputCode.DAMAGED
    with pytest.raises((SafetensorError, RuntimeError)), safe_open(path, "pt") as oracle:
        oracle.get_tensor("w")


def test_more_dimensions_than_numpy_has(tmp_path: Path) -> None:
    path = written(tmp_path, entry(shape=[1] * 40 + [2]), bytes(8))
    assert failure(path).code is InputCode.DAMAGED


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    one = '"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
    assert (
        failure(written(tmp_path, f"{{{one},{one}}}".encode(), bytes(8))).code is InputCode.REFUSED
    )


@pytest.mark.parametrize("length", [1 << 40, (1 << 48) - 1, 200])
def test_a_header_longer_than_the_file(tmp_path: Path, length: int) -> None:
    error = failure(written(tmp_path, entry(), bytes(8), length))
    assert error.code is InputCode.DAMAGED
    assert "truncated" in error.what


@pytest.mark.parametrize("length", [0, 1, 1 << 48, (1 << 64) - 1])
def test_a_length_that_cannot_be_true_is_no_header_s(tmp_path: Path, length: int) -> None:
    error = failure(written(tmp_path, entry(), bytes(8), length))
    assert error.code is InputCode.NOT_A_CHECKPOINT


@pytest.mark.parametrize("start", [b"let a = ", b"declare ", b"\x10\0\0\0\0\0\0\0"])
def test_other_files_with_a_brace_in_its_place_are_not_taken_for_one(
    tmp_path: Path, start: bytes
) -> None:
    path = tmp_path / "other"
    path.write_bytes(start + b'{"\x01\x02\x03' + bytes(range(256)))
    assert failure(str(path)).code is InputCode.NOT_A_CHECKPOINT


def test_every_cut(tmp_path: Path) -> None:
    path = Path(written(tmp_path, entry(), bytes(8)))
    whole = path.read_bytes()
    read(str(path))
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        error = failure(str(path))
        assert error.code in (InputCode.DAMAGED, InputCode.NOT_A_CHECKPOINT)


def test_lone_surrogates_become_escapes(tmp_path: Path) -> None:
    header = b'{"\\ud800":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    assert list(read(written(tmp_path, header, bytes(8))).tensors) == ["\\ud800"]


@pytest.mark.parametrize("part", ["x", "state.", "optimizer.state."])
def test_a_name_nobody_could_read_is_left_out(tmp_path: Path, part: str) -> None:
    long = part * (3_000_000 // len(part)) + ".weight_hh_l0"
    here = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    there = {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}
    with in_time():
        checkpoint = read(written(tmp_path, {long: here, "b": there}, b"\0" * 8))
    assert list(checkpoint.tensors) == ["b"]
    (item,) = checkpoint.skipped
    assert len(item.name) == 200
    assert item.name.endswith(".weight_hh_l0")
    assert item.reason == f"its name has {len(long)} characters"


def test_a_dtype_nobody_knows_is_shown_in_part(tmp_path: Path) -> None:
    header = {"a": {"dtype": "Z" * 100_000, "shape": [1], "data_offsets": [0, 4]}}
    (item,) = read(written(tmp_path, header, b"\0" * 4)).skipped
    assert item.reason == f"its dtype {'z' * 20} is not read"
