""".npz against numpy itself, and headers that lie. No header is evaluated."""

from __future__ import annotations

import io
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from containers.builders import npy, opcode_global, plain_zip, short

from rnndiag.containers import read
from rnndiag.errors import InputCode, RnndiagError

HEADER = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n"


def failure(path: str) -> RnndiagError:
    with pytest.raises(RnndiagError) as caught:
        read(path)
    return caught.value


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_values(tmp_path: Path, save: Any) -> None:
    dice = np.random.default_rng(0)
    arrays = {
        "f4": dice.standard_normal((3, 4)).astype("<f4"),
        "big": dice.standard_normal(5).astype(">f8"),
        "fortran": np.asfortranarray(dice.standard_normal((4, 5))),
        "half": np.arange(3, dtype="f2"),
        "int": np.arange(6).reshape(1, 2, 3),
        "bool": np.array([True, False]),
        "scalar": np.float64(2.5),
        "empty": np.zeros((0, 3)),
        "complex": np.array([1j]),
    }
    path = tmp_path / "arrays.npz"
    save(path, **arrays)
    checkpoint = read(str(path), verify=True)
    assert checkpoint.container == "npz"
    assert set(checkpoint.tensors) == set(arrays)
    for name, expected in arrays.items():
        loaded = checkpoint.tensors[name].load()
        assert loaded.dtype == np.asarray(expected).dtype.newbyteorder("=")
        np.testing.assert_array_equal(loaded, expected)


def test_what_holds_no_numbers_is_skipped_by_name(tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    records = np.zeros(2, dtype=[("a", "f4"), ("b", "i8")])
    np.savez(
        path, object=np.array([{}], dtype=object), text=np.array(["a"]), records=records, w=1.0
    )
    checkpoint = read(str(path))
    assert list(checkpoint.tensors) == ["w"]
    reasons = {item.name: item.reason for item in checkpoint.skipped}
    assert "pickled objects" in reasons["object"]
    assert "text" in reasons["text"]
    assert "records" in reasons["records"]


def test_a_pickled_payload_is_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    trap = b"\x80\x04" + opcode_global("os", "system") + short(f"touch {marker}") + b"\x85R."
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n"
    path = plain_zip(tmp_path / "trap.npz", {"w.npy": npy(header, trap)})
    assert read(path).skipped[0].name == "w"
    assert not marker.exists()
    pickle.loads(trap)
    assert marker.exists()


@pytest.mark.parametrize("version", [1, 2, 3])
def test_every_version_of_the_format(tmp_path: Path, version: int) -> None:
    array = npy(HEADER, struct.pack("<6f", *range(6)), version)
    np.testing.assert_array_equal(np.load(io.BytesIO(array)), np.arange(6.0).reshape(2, 3))
    path = plain_zip(tmp_path / "v.npz", {"w.npy": array})
    np.testing.assert_array_equal(read(path).tensors["w"].load(), np.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize(
    "header",
    [
        HEADER.replace(b"(2, 3)", b"(2, 4)"),
        HEADER.replace(b"(2, 3)", b"(-2, 3)"),
        HEADER.replace(b"(2, 3)", b"(2, 3.0)"),
        HEADER.replace(b"(2, 3)", b"(99999999999999999999, 3)"),
        HEADER.replace(b"(2, 3)", b"(2 3)"),
        HEADER.replace(b"(2, 3)", b"(" + b"1, " * 40 + b"6)"),
        HEADER.replace(b"(2, 3)", b"__import__('os')"),
        b"(" * 5000 + HEADER,
        b"x" * 20_000,
        b"",
        b"\xff\xfe",
    ],
)
def test_headers_that_lie(tmp_path: Path, header: bytes) -> None:
    path = plain_zip(tmp_path / "bad.npz", {"w.npy": npy(header, bytes(24))})
    assert failure(path).code is InputCode.DAMAGED


@pytest.mark.parametrize("array", [b"", b"\x93NUMPY", b"\x93NUMPY\x07\0\0\0\0\0\0\0", bytes(100)])
def test_members_that_are_no_arrays(tmp_path: Path, array: bytes) -> None:
    assert failure(plain_zip(tmp_path / "bad.npz", {"w.npy": array})).code is InputCode.DAMAGED
