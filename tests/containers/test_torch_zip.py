"""Zip archives that are broken, misleading or not what they seem."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from containers.builders import SIX_FLOATS, in_dict, short, storage, tensor, torch_zip
from containers.timing import in_time

from rnndiag.containers import read
from rnndiag.containers.checkpoint import Checkpoint
from rnndiag.errors import InputCode, RnndiagError

WEIGHT = in_dict(tensor((2, 3), (3, 1)))


def failure(path: str) -> RnndiagError:
    with pytest.raises(RnndiagError) as caught:
        read(path)
    return caught.value


def built(folder: Path, pickled: bytes = WEIGHT, data: bytes = SIX_FLOATS) -> Checkpoint:
    return read(torch_zip(folder, pickled, {"0": data}))


def test_the_builder_writes_what_torch_reads(tmp_path: Path) -> None:
    path = torch_zip(tmp_path, WEIGHT, {"0": SIX_FLOATS}, {"version": b"3\n"})
    weight = torch.load(path, weights_only=False)["weight"]
    np.testing.assert_array_equal(weight.numpy(), read(path).tensors["weight"].load())


def test_missing_and_short_records(tmp_path: Path) -> None:
    error = failure(torch_zip(tmp_path, WEIGHT))
    assert error.code is InputCode.DAMAGED
    assert "archive/data/0 is missing" in error.what
    error = failure(torch_zip(tmp_path, WEIGHT, {"0": SIX_FLOATS[:-1]}))
    assert error.code is InputCode.DAMAGED
    assert "archive/data/0 is shorter than declared (23 of 24 bytes)" in error.what


def test_every_cut(tmp_path: Path) -> None:
    path = Path(torch_zip(tmp_path, WEIGHT, {"0": SIX_FLOATS}))
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        error = failure(str(path))
        if length >= 4:
            assert error.code is InputCode.DAMAGED
            assert "truncated" in error.what


def test_duplicate_names(tmp_path: Path) -> None:
    path = tmp_path / "twice.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", WEIGHT)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("archive/data.pkl", WEIGHT)
    error = failure(str(path))
    assert error.code is InputCode.REFUSED
    assert "same name" in error.what


def test_two_checkpoints_in_one_zip(tmp_path: Path) -> None:
    path = tmp_path / "two.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", WEIGHT)
        archive.writestr("b/data.pkl", WEIGHT)
    assert failure(str(path)).code is InputCode.REFUSED


def test_encrypted_and_unusual_compression(tmp_path: Path) -> None:
    path = Path(torch_zip(tmp_path, WEIGHT, {"0": SIX_FLOATS}))
    whole = bytearray(path.read_bytes())
    whole[whole.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(whole)
    error = failure(str(path))
    assert error.code is InputCode.UNSUPPORTED
    assert "encrypted" in error.what
    error = failure(torch_zip(tmp_path, WEIGHT, {"0": SIX_FLOATS}, None, zipfile.ZIP_LZMA))
    assert error.code is InputCode.UNSUPPORTED
    assert "method 14" in error.what


def test_zip_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caps are lowered so that no large file need be written."""
    monkeypatch.setattr("rnndiag.containers.zip_archive._FREE_UNPACKED_BYTES", 100_000)
    bomb = torch_zip(tmp_path, WEIGHT, {"0": bytes(1_000_000)}, None, zipfile.ZIP_DEFLATED)
    error = failure(bomb)
    assert error.code is InputCode.REFUSED
    assert "zip bomb" in error.what
    monkeypatch.setattr("rnndiag.containers.zip_archive._FREE_UNPACKED_BYTES", 10_000_000)
    assert read(bomb).tensors["weight"].load().sum() == 0
    monkeypatch.setattr("rnndiag.containers.zip_archive.MAX_UNPACKED_PART_BYTES", 10)
    assert failure(bomb).code is InputCode.REFUSED


def test_a_deflated_record_that_is_damaged(tmp_path: Path) -> None:
    data = np.random.default_rng(0).standard_normal(6).astype("<f4").tobytes()
    path = Path(torch_zip(tmp_path, WEIGHT, {"0": data}, None, zipfile.ZIP_DEFLATED))
    np.testing.assert_array_equal(
        read(str(path)).tensors["weight"].load().ravel(), np.frombuffer(data, "<f4")
    )
    whole = bytearray(path.read_bytes())
    start = whole.index(b"archive/data/0") + len(b"archive/data/0")
    whole[start : start + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(whole)
    with pytest.raises(RnndiagError, match="RD003"):
        read(str(path)).tensors["weight"].load()


def test_a_packed_record_is_unpacked_once_for_all_its_tensors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of a thousand views at its end would cost the unpacking of what stands before it."""
    count = 1 << 24
    views = b"".join(
        short(str(at)) + tensor((1,), (1,), count - 1 - at, storage("0", count))
        for at in range(1000)
    )
    last = np.zeros(count, "<f4")
    last[-1000:] = np.arange(1000)
    storages = {"0": last.tobytes()}
    path = torch_zip(tmp_path, b"}(" + views + b"u.", storages, None, zipfile.ZIP_DEFLATED)
    with in_time():
        found = read(path).tensors
        values = [stored.load().item() for stored in found.values()]
    assert values == list(range(999, -1, -1))
    monkeypatch.setattr("rnndiag.containers.zip_archive.MAX_UNPACKED_PART_BYTES", 1 << 20)
    assert read(path).tensors["3"].load().item() == 996


def test_views_of_the_same_few_numbers(tmp_path: Path) -> None:
    """A hundred expanded tensors, each of which is small enough by itself."""
    views = b"".join(
        short(str(at)) + tensor((1 << 11, 1 << 11), (0, 0), at, storage("0", 1000))
        for at in range(100)
    )
    error = failure(torch_zip(tmp_path, b"}(" + views + b"u.", {"0": bytes(4000)}))
    assert error.code is InputCode.REFUSED
    assert "into 419430400 numbers" in error.what


def test_members_that_share_bytes(tmp_path: Path) -> None:
    """A second entry of the directory leads to the first one's bytes."""
    path = Path(torch_zip(tmp_path, WEIGHT, {"0": SIX_FLOATS}))
    whole = bytearray(path.read_bytes())
    entry = whole.rindex(b"PK\x01\x02")
    whole[entry + 42 : entry + 46] = bytes(4)
    path.write_bytes(whole)
    error = failure(str(path))
    assert error.code is InputCode.REFUSED
    assert "overlap" in error.what


@pytest.mark.parametrize(
    ("place", "changed"),
    [(6, b"\1"), (8, b"\x08"), (26, b"\1"), (30, b"x")],
    ids=["encrypted", "packed", "length", "name"],
)
def test_a_record_that_contradicts_the_directory(
    tmp_path: Path, place: int, changed: bytes
) -> None:
    """Which of the two a reader believes decides what it loads."""
    path = Path(torch_zip(tmp_path, WEIGHT, {"0": SIX_FLOATS}))
    whole = bytearray(path.read_bytes())
    record = whole.rindex(b"PK\x03\x04")
    whole[record + place : record + place + 1] = changed
    path.write_bytes(whole)
    with pytest.raises(RnndiagError, match=r"RD004 .*says of itself what the directory does not"):
        read(str(path)).tensors["weight"].load()


def test_a_record_that_is_not_where_the_directory_says(tmp_path: Path) -> None:
    path = Path(torch_zip(tmp_path, WEIGHT, {"0": SIX_FLOATS}))
    whole = bytearray(path.read_bytes())
    entry = whole.rindex(b"PK\x01\x02")
    (own,) = struct.unpack_from("<I", whole, entry + 42)
    places = {
        own + 3: "not where the directory says",
        len(whole) - 10: "truncated",
        0xFFFFFF00: "truncated",
    }
    for offset, words in places.items():
        whole[entry + 42 : entry + 46] = struct.pack("<I", offset)
        path.write_bytes(whole)
        with pytest.raises(RnndiagError, match=f"RD003 .*{words}"):
            read(str(path)).tensors["weight"].load()


def test_big_endian(tmp_path: Path) -> None:
    for kind, code in (("FloatStorage", "f4"), ("LongStorage", "i8"), ("HalfStorage", "f2")):
        values = np.arange(6, dtype=code)
        pickled = in_dict(tensor((2, 3), (3, 1), stored=storage(kind=kind)))
        data = values.astype(f">{code}").tobytes()
        path = torch_zip(tmp_path, pickled, {"0": data}, {"byteorder": b"big"})
        loaded = read(path).tensors["weight"].load()
        np.testing.assert_array_equal(loaded, values.reshape(2, 3))
        assert loaded.dtype == np.dtype(code)
    bits = np.array([0x3FC0] * 6, ">u2").tobytes()
    pickled = in_dict(tensor((6,), (1,), stored=storage(kind="BFloat16Storage")))
    path = torch_zip(tmp_path, pickled, {"0": bits}, {"byteorder": b"big"})
    assert read(path).tensors["weight"].load().tolist() == [1.5] * 6


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        ((2, 3), (3, 1), 1),
        ((2, 4), (4, 1), 0),
        ((-2, 3), (3, 1), 0),
        ((2, 3), (-3, 1), 0),
        ((2, 3), (3, 1), -1),
        ((2, 3), (3,), 0),
        ((2, 3), (3, 1 << 62), 0),
        ((2, 3), (3, 1), 1 << 70),
        ((1 << 63, 3), (3, 1), 0),
        ((1 << 400,), (1,), 0),
        ((1,) * 33, (1,) * 33, 0),
    ],
)
def test_corrupt_views(
    tmp_path: Path, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
) -> None:
    path = torch_zip(tmp_path, in_dict(tensor(shape, strides, offset)), {"0": SIX_FLOATS})
    error = failure(path)
    assert error.code is InputCode.DAMAGED
    assert "corrupt tensor weight" in error.what


@pytest.mark.parametrize("shape", [(1 << 23,), (1 << 12, 1 << 12), (1 << 47,), (1 << 40, 1 << 40)])
def test_huge_repetition_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = torch_zip(tmp_path, in_dict(tensor(shape, (0,) * len(shape))), {"0": SIX_FLOATS})
    assert failure(path).code is InputCode.REFUSED


def test_odd_but_valid_views(tmp_path: Path) -> None:
    for shape, strides in (
        ((), ()),
        ((0,), (1,)),
        ((0, 1 << 40), (1, 1)),
        ((3, 0), (5, 7)),
        ((1, 6), (1 << 40, 1)),
        ((4, 3), (1, 1)),
        ((100,), (0,)),
    ):
        loaded = built(tmp_path, in_dict(tensor(shape, strides))).tensors["weight"].load()
        assert loaded.shape == shape


@pytest.mark.parametrize(
    "stored",
    [
        storage().replace(b"U", b"V"),
        b"N",
        b"(tQ",
        b"(" + storage()[1:-2] + b"NNtQ",
        storage(count=-1),
        storage(count=1 << 60),
        b"(" + storage()[1:-2] + b"K\x01tQ",
        b"K\x05Q",
        b"\x8c\x07storageQ",
    ],
)
def test_malformed_storages(tmp_path: Path, stored: bytes) -> None:
    pickled = in_dict(tensor((2, 3), (3, 1), stored=stored))
    path = torch_zip(tmp_path, pickled, {"0": SIX_FLOATS})
    if stored == storage():
        return
    assert failure(path).code is InputCode.DAMAGED


@pytest.mark.parametrize("count", [-1, (1 << 48) + 1, 1 << 400])
def test_impossible_storage_sizes(tmp_path: Path, count: int) -> None:
    pickled = in_dict(tensor((0,), (1,), stored=storage(count=count)))
    assert "impossible size" in failure(torch_zip(tmp_path, pickled, {"0": SIX_FLOATS})).what


def test_one_storage_described_twice(tmp_path: Path) -> None:
    double = tensor((1,), (1,), stored=storage(kind="DoubleStorage", count=3))
    pickled = b"\x80\x04](" + tensor((2, 3), (3, 1)) + double + b"e."
    assert failure(torch_zip(tmp_path, pickled, {"0": SIX_FLOATS})).code is InputCode.DAMAGED


def test_unknown_devices_and_storage_types(tmp_path: Path) -> None:
    gpu = WEIGHT.replace(b"\x8c\x03cpu", b"\x8c\x06cuda:7")
    assert built(tmp_path, gpu).tensors["weight"].load().sum() == 15
    unknown = in_dict(tensor((2, 3), (3, 1), stored=storage(kind="OddStorage")))
    skipped = built(tmp_path, unknown).skipped
    assert "OddStorage" in skipped[0].reason


def test_names_from_outside_the_folder_are_only_names(tmp_path: Path) -> None:
    pickled = in_dict(tensor((2, 3), (3, 1), stored=storage(key="../../etc/passwd")))
    assert "is missing" in failure(torch_zip(tmp_path, pickled, {"0": SIX_FLOATS})).what
