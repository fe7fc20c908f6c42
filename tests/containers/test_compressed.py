"""Files packed whole: unpacked into memory within a cap, or told what they are."""

from __future__ import annotations

import gzip
import lzma
import random
import sys
import tracemalloc
import zlib
from pathlib import Path

import pytest
from containers.archives import PACKINGS, lstm_bytes, tar_of
from containers.timing import in_time

from rnndiag.containers import compressed as under_test
from rnndiag.containers import read
from rnndiag.containers.candidate import Candidate
from rnndiag.containers.readable import Memory
from rnndiag.containers.wrapping import Room, Wrapping
from rnndiag.errors import Content, InputCode, RnndiagError

LSTM, LEGACY = lstm_bytes(), lstm_bytes(legacy=True)
PICKLE = b"\x80\x04}\x94\x8c\x01aB"


def put(folder: Path, data: bytes) -> str:
    path = folder / "packed"
    path.write_bytes(data)
    return str(path)


def failure(folder: Path, data: bytes) -> RnndiagError:
    with in_time(), pytest.raises(RnndiagError) as caught:
        read(put(folder, data))
    return caught.value


@pytest.mark.parametrize("name", PACKINGS)
def test_a_checkpoint_is_read(tmp_path: Path, name: str) -> None:
    checkpoint = read(put(tmp_path, PACKINGS[name](LSTM)))
    assert checkpoint.container == f"torch-zip in {name}"
    plain = read(put(tmp_path, LSTM))
    assert checkpoint.tensors.keys() == plain.tensors.keys()
    for key, stored in checkpoint.tensors.items():
        assert stored.load().tobytes() == plain.tensors[key].load().tobytes()
    assert not checkpoint.notes


@pytest.mark.parametrize("name", PACKINGS)
def test_cut_anywhere(tmp_path: Path, name: str) -> None:
    whole = PACKINGS[name](LSTM)
    for length in range(100, len(whole) - 8, 100):
        error = failure(tmp_path, whole[:length])
        assert error.code is InputCode.DAMAGED, length
        assert "\n" not in str(error)


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz"])
def test_a_flipped_bit_is_noticed(tmp_path: Path, name: str) -> None:
    whole = bytearray(PACKINGS[name](LSTM))
    whole[len(whole) // 2] ^= 4
    assert failure(tmp_path, bytes(whole)).code is InputCode.DAMAGED


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz"])
def test_several_streams_and_what_stands_behind_them(tmp_path: Path, name: str) -> None:
    pack = PACKINGS[name]
    for data in (
        pack(LSTM[:1000]) + pack(LSTM[1000:]),
        pack(LSTM[:7]) + pack(b"") + pack(LSTM[7:]) + bytes(512),
        pack(LSTM) + b"something else",
    ):
        assert len(read(put(tmp_path, data)).tensors) == 4


def test_a_stream_that_ends_where_a_read_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """The magic number of the second one is cut by a read, or stands behind it."""
    first, second = (gzip.compress(text, mtime=0) for text in (b"the start, ", b"the end"))
    for length in range(len(first) - 3, len(first) + 4):
        monkeypatch.setattr(under_test, "_CHUNK_BYTES", length)
        candidate = Candidate.of(Memory(first + second))
        (content,) = under_test.COMPRESSED[0].members(candidate, Room()).values()
        assert content.head() == b"the start, the end"


@pytest.mark.parametrize("wrapping", under_test.COMPRESSED, ids=lambda kind: kind.name)
def test_a_bomb_is_refused_before_it_takes_the_memory(wrapping: Wrapping) -> None:
    """A pickle's start and 28 MB of zeros, where there is room for 8."""
    packed = Memory(PACKINGS[wrapping.name](PICKLE + bytes(28 << 20)))
    assert packed.size < 200_000
    tracemalloc.start()
    with pytest.raises(RnndiagError) as caught:
        wrapping.members(Candidate.of(packed), Room(8 << 20))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.code is InputCode.REFUSED
    assert "unpacks into more than" in caught.value.what
    assert peak < 20 << 20  # of which xz has 8 for its dictionary


def test_what_is_too_large_and_can_be_no_checkpoint_is_named() -> None:
    """A scan, a picture: it is no checkpoint, however large."""
    noise = random.Random(0).randbytes(300_000)
    starts = {b"\x5c\1\0\0": False, b"\x80\x04": True, b"PK\x03\x04": True, LEGACY[:9]: True}
    for start, may_be_one in starts.items():
        packed = Memory(gzip.compress(start + noise, mtime=0))
        with pytest.raises(RnndiagError) as caught:
            under_test.COMPRESSED[0].members(Candidate.of(packed), Room(1 << 17))
        expected = InputCode.REFUSED if may_be_one else InputCode.NOT_A_CHECKPOINT
        assert caught.value.code is expected, start


@pytest.mark.parametrize(
    ("member", "may_be_one"),
    [(b"\xff\xd8\xff", False), (LEGACY, True), (PICKLE, True), (gzip.compress(b"scan"), False)],
)
def test_a_large_tar_is_judged_by_the_members_in_its_first_part(
    member: bytes, may_be_one: bool
) -> None:
    noise = random.Random(0).randbytes(300_000)
    data = tar_of({"0.jpg": noise[:1000], "1": member + bytes(300), "2.jpg": noise})
    packed = Memory(gzip.compress(data, mtime=0))
    with pytest.raises(RnndiagError) as caught:
        under_test.COMPRESSED[0].members(Candidate.of(packed), Room(1 << 17))
    assert caught.value.content is (Content.UNREADABLE if may_be_one else Content.FOREIGN)
    assert may_be_one or "0.jpg, 1, 2.jpg" in caught.value.what


def test_ten_gigabytes(tmp_path: Path) -> None:
    """One flushed block of 16 MB of zeros, over and over."""
    engine = zlib.compressobj(9, zlib.DEFLATED, 31)
    start = engine.compress(PICKLE) + engine.flush(zlib.Z_FULL_FLUSH)
    block = engine.compress(bytes(1 << 24)) + engine.flush(zlib.Z_FULL_FLUSH)
    error = failure(tmp_path, start + block * 640)
    assert error.code is InputCode.REFUSED
    assert "more than 256 MiB" in error.what
    assert "gunzip" in error.remedy


def test_text_and_zeros_are_not_unpacked_to_the_end(tmp_path: Path) -> None:
    """The stream is damaged behind its first kilobytes, which nobody gets to see."""
    for content, what in ((b"a,b,c\n" * 100_000, "a text file"), (bytes(900_000), "zeros")):
        dice = random.Random(0)
        noise = dice.randbytes(100_000)
        whole = bytearray(gzip.compress(content + noise, mtime=0))
        whole[-50_000] ^= 1
        error = failure(tmp_path, bytes(whole))
        assert error.code is InputCode.NOT_A_CHECKPOINT
        assert what in error.what
        assert "gunzip" in error.remedy


def test_a_dictionary_of_gigabytes_is_refused(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 3 << 29, "preset": 0}]
    error = failure(tmp_path, lzma.compress(LSTM, filters=filters))
    assert error.code is InputCode.REFUSED
    assert "128 MiB" in error.what


def test_thousands_of_streams_are_refused(tmp_path: Path) -> None:
    data = gzip.compress(PICKLE, mtime=0) + gzip.compress(b"", mtime=0) * 20_000
    assert failure(tmp_path, data).code is InputCode.REFUSED


def test_text_that_starts_like_a_packed_file_is_text(tmp_path: Path) -> None:
    for text in (b"x^2 + y^2 = 1\n", b"x\x9c", b"]\0\0", b"BZh is how they start\n", b"x^"):
        error = failure(tmp_path, text * 3)
        assert error.code is InputCode.NOT_A_CHECKPOINT, text
        assert "damaged" not in error.what


def test_a_python_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lzma", None)
    error = failure(tmp_path, PACKINGS["xz"](LSTM))
    assert error.code is InputCode.UNSUPPORTED
    assert "unxz" in error.remedy


def test_an_empty_file_in_one(tmp_path: Path) -> None:
    error = failure(tmp_path, gzip.compress(b"", mtime=0))
    assert error.code is InputCode.NOT_A_CHECKPOINT
    assert "empty" in error.what
