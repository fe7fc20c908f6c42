"""The budgets: what is large and real is read, and what is large and hostile ends in seconds."""

from __future__ import annotations

import gc
import json
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from containers.builders import MAGIC, SIX_FLOATS, opcode_global, short, torch_zip
from containers.timing import in_time, refused_in_time

from rnndiag.containers import read
from rnndiag.containers.budget import MAX_WORK
from rnndiag.containers.window import MAX_READ_BYTES
from rnndiag.errors import InputCode


@pytest.fixture(autouse=True)
def collector_of_a_fresh_process() -> Iterator[None]:
    """The collector must not look through what other tests have left, torch among it.

    New containers by the million make it do so again and again, and the command itself starts with
    none of that.
    """
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def refusal(path: str) -> str:
    error = refused_in_time(path)
    assert error is not None
    assert error.code is InputCode.REFUSED
    return error.what


def test_a_vocabulary_of_a_quarter_of_a_million_words_is_read(tmp_path: Path) -> None:
    """Both ways round, as they are saved: about a second and a half, 100 MB and half the budget."""
    words = [f"word{number}" for number in range(250_000)]
    numbers = {word: number for number, word in enumerate(words)}
    vocabulary = {"stoi": numbers, "itos": words, "lr": 0.5}
    path = torch_zip(tmp_path, pickle.dumps(vocabulary, 2))
    with in_time():
        checkpoint = read(path)
    assert checkpoint.values["lr"] == 0.5
    assert [item.name for item in checkpoint.skipped] == ["stoi", "itos"]


ARRAY = (
    opcode_global("numpy.core.multiarray", "_reconstruct")
    + b")R(K\x01K\x01"
    + opcode_global("numpy", "dtype")
    + short("f8")
    + b"\x85R\x89C\x08\0\0\0\0\0\0\0\0tb"
)
FLOODS = {
    "None": (b"", b"N0", b"N", 1),
    "text that is no UTF-8": (b"](", b"X\x10\x27\0\0" + b"\xff" * 10_000, b"e", 1 / 10_000),
    "escapes": (b"](", b"S'" + b"\\x41" * 10_000 + b"'\n", b"e", 1 / 10_000),
    "states of one object": (b"cm\nn\n)R}q\x000", b"h\x00b", b"", 1 / 10),
    "one array many times": (ARRAY + b"q\x00](", b"h\x00", b"e", 1 / 100),
    "one list in itself": (b"]q\x00(", b"h\x00", b"e", 1 / 15),
}
"""Start, body, end; and bodies for each unit of work, enough to spend it all or nearly."""


@pytest.mark.parametrize("flood", FLOODS)
def test_the_whole_budget_takes_seconds(tmp_path: Path, flood: str) -> None:
    start, body, end, each = FLOODS[flood]
    path = tmp_path / "flood"
    path.write_bytes(b"\x80\x04" + start + body * int(MAX_WORK * each) + end + b".")
    refused_in_time(str(path))


def test_all_pickles_of_a_file_share_one_budget(tmp_path: Path) -> None:
    lists = b"\x80\x02" + b"]" * (MAX_WORK // 6) + b"."
    parts = [pickle.dumps(MAGIC, 2), pickle.dumps(1001, 2), lists, lists, pickle.dumps([], 2)]
    path = tmp_path / "legacy"
    path.write_bytes(b"".join(parts))
    assert "operations" in refusal(str(path))


def test_many_files_within_a_file_are_refused(tmp_path: Path) -> None:
    inner = b"B\x16\0\0\0PK\x05\x06" + bytes(18) + b"\x85R"
    path = tmp_path / "nested"
    start = opcode_global("torch.storage", "_load_from_bytes") + b"q\x00]("
    for count, is_read in ((1_000, True), (20_000, False)):
        path.write_bytes(b"\x80\x04" + start + (b"h\x00" + inner) * count + b"e.")
        assert (refused_in_time(str(path)) is None) == is_read


def test_long_keys_are_not_copied(tmp_path: Path) -> None:
    key = b"X" + struct.pack("<I", 1000) + b"k" * 1000
    path = tmp_path / "keys"
    path.write_bytes(b"\x80\x04}" + key + b"q\x000(" + b"h\x00N" * 100_000 + b"u.")
    tracemalloc.start()
    read(str(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50_000_000


def test_a_packed_pickle_is_in_memory_once(tmp_path: Path) -> None:
    """Unpacked, its string as bytes and as text are three copies; the archive kept a fourth."""
    size = 20_000_000
    pickled = b"X" + struct.pack("<I", size) + b"a" * size + b"."
    path = torch_zip(tmp_path, pickled, {}, None, zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3.5 * size


def test_an_archive_of_too_many_members_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "members.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}.")
        for number in range(20):
            archive.writestr(f"a/{number}", SIX_FLOATS)
    whole = bytearray(path.read_bytes())
    directory = whole.index(b"PK\x01\x02")
    end = whole.rindex(b"PK\x05\x06")
    entries, last = whole[directory:end], whole[end:]
    many = bytes(entries) * (MAX_READ_BYTES // len(entries) + 1)
    struct.pack_into("<I", last, 12, len(many))
    path.write_bytes(bytes(whole[:directory]) + many + bytes(last))
    assert "more members" in refusal(str(path))


def test_a_header_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    header = json.dumps({f"w{number}": entry for number in range(80_000)}).encode()
    path = tmp_path / "header"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    assert f"{len(header)} bytes" in refusal(str(path))


def test_a_shape_of_many_dimensions_is_refused_at_once(tmp_path: Path) -> None:
    entry = {"dtype": "F32", "shape": [1] * 400_000, "data_offsets": [0, 4]}
    header = json.dumps({"w": entry}).encode()
    path = tmp_path / "shape"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    error = refused_in_time(str(path))
    assert error is not None
    assert error.code is InputCode.DAMAGED
