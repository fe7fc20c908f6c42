"""A tar's directory: walked within bounds; nothing is extracted, and no name is a path."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from containers.archives import END, header, lstm_bytes, padded, tar_of
from containers.timing import in_time

from rnndiag.containers import read
from rnndiag.containers.readable import Memory
from rnndiag.containers.tar_archive import MAX_HEADERS, tar_members
from rnndiag.errors import Content, InputCode, RnndiagError

LSTM = lstm_bytes()
SPECIAL = [
    tarfile.FIFOTYPE,
    tarfile.SYMTYPE,
    tarfile.LNKTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
]


def failure(data: bytes) -> RnndiagError:
    with in_time(), pytest.raises(RnndiagError) as caught:
        tar_members(Memory(data))
    return caught.value


def contents(data: bytes) -> dict[str, bytes]:
    return {name: part.read_at(0, part.size) for name, part in tar_members(Memory(data)).items()}


@pytest.mark.parametrize("layout", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_are_those_the_standard_library_finds(layout: int) -> None:
    members = {"./a": b"1" * 700, "b/": b"", "b/empty": b"", "b/" + "c" * 90 + "/" + "d" * 90: b"2"}
    if layout != tarfile.USTAR_FORMAT:
        members |= {"e" * 300: b"3", "é": b"4"}
    kinds = {"b/": tarfile.DIRTYPE}
    found = contents(tar_of(members, kinds, format=layout))
    assert found == {name: data for name, data in members.items() if name != "b/"}


def test_the_size_in_an_extended_header_counts() -> None:
    record = b"10 size=3\n"
    data = header(b"x", len(record), b"x") + padded(record) + header(b"a", 0) + padded(b"abc") + END
    assert contents(data) == {"a": b"abc"}


@pytest.mark.parametrize("kind", SPECIAL)
def test_links_pipes_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(tar_of({"model.pt": LSTM, "other": b""}, {"other": kind}))
    with pytest.raises(RnndiagError) as caught:
        read(str(path))
    assert caught.value.code is InputCode.REFUSED
    assert "a link, a pipe or a device" in caught.value.what


@pytest.mark.parametrize("kind", SPECIAL)
def test_links_beside_anything_else_are_nobodys_concern(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(tar_of({"0.jpg": b"picture", "latest.jpg": b""}, {"latest.jpg": kind}))
    with pytest.raises(RnndiagError) as caught:
        read(str(path))
    assert caught.value.content is Content.FOREIGN
    assert "holding 0.jpg" in caught.value.what


@pytest.mark.parametrize("name", ["/etc/passwd", "../../up", "a/../../b", "\x1b[31m", "a\nb"])
def test_names_are_no_paths(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(tar_of({name: LSTM}))
    checkpoint = read(str(path))
    assert len(checkpoint.tensors) == 4
    assert checkpoint.notes[0].isprintable()
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["a.tar"]


LIES = [
    (header(b"a", 600) + bytes(512), InputCode.DAMAGED, "truncated"),
    (header(b"a", 1 << 40) + bytes(512), InputCode.DAMAGED, "truncated"),
    (header(b"a", (1 << 88) - 1) + bytes(512), InputCode.DAMAGED, "truncated"),
    (header(b"a", 0), InputCode.DAMAGED, "truncated"),
    (header(b"a", 0).replace(b"a", b"b", 1) + END, InputCode.DAMAGED, "broken"),
    (header(b"a", 0) + b"\1" * 512 + END, InputCode.DAMAGED, "broken"),
    (header(b"a", 0, b"Z") + END, InputCode.DAMAGED, "unknown type"),
    (header(b"a", 0, b"S") + END, InputCode.REFUSED, "sparse"),
    (header(b"a", 0) * 2 + END, InputCode.REFUSED, "twice"),
    (header(b"x", 1 << 20, b"x") + bytes(1 << 20) + END, InputCode.REFUSED, "header of"),
    (header(b"x", 1 << 20, b"L") + bytes(1 << 20) + END, InputCode.REFUSED, "header of"),
    (header(b"x", 9, b"x") + padded(b"9 path=ab") + END, InputCode.DAMAGED, "malformed"),
    (header(b"x", 9, b"x") + padded(b"0 path=a\n") + END, InputCode.DAMAGED, "malformed"),
    (header(b"x", 9, b"x") + padded(b"x" * 9) + END, InputCode.DAMAGED, "malformed"),
    (header(b"x", 10, b"x") + padded(b"10 size=x\n") + END, InputCode.DAMAGED, "not a number"),
    (header(b"x", 60, b"x") + padded(b"9" * 60) + END, InputCode.DAMAGED, "malformed"),
    (
        header(b"x", 22, b"x") + padded(b"22 GNU.sparse.major=1\n") + END,
        InputCode.REFUSED,
        "sparse",
    ),
]


@pytest.mark.parametrize(("data", "code", "what"), LIES)
def test_directories_that_lie(data: bytes, code: InputCode, what: str) -> None:
    error = failure(data)
    assert error.code is code
    assert what in error.what


@pytest.mark.parametrize("kind", [b"0", b"x", b"L", b"5", b"g"])
def test_thousands_of_headers(kind: bytes) -> None:
    data = b"".join(header(b"%d" % n, 0, kind) for n in range(MAX_HEADERS + 1)) + END
    assert failure(data).code is InputCode.NOT_A_CHECKPOINT


def test_extended_headers_full_of_records() -> None:
    """Each is a few bytes, and all of them are gone through once."""
    record = b"8 a=bcd\n" * 8000
    data = (header(b"x", len(record), b"x") + padded(record)) * 20 + header(b"a", 0) + END
    with in_time():
        assert contents(data) == {"a": b""}


def test_old_checksums_of_signed_bytes() -> None:
    block = bytearray(header(b"\xe9", 0))
    total = sum(block[:148] + b" " * 8 + block[156:])
    block[148:156] = b"%06o\0 " % (total - 256)
    assert list(tar_members(Memory(bytes(block) + END))) == ["\\xe9"]


def test_every_cut(tmp_path: Path) -> None:
    whole = tar_of({"config.yaml": b"a: 1", "./model_weights.ckpt": LSTM})
    end = len(whole.rstrip(b"\0")) // 512 * 512 + 512
    path = tmp_path / "a.nemo"
    for length in range(300, end, 100):
        path.write_bytes(whole[:length])
        with pytest.raises(RnndiagError) as caught:
            read(str(path))
        assert caught.value.code is InputCode.DAMAGED, length
