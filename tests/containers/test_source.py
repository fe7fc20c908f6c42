"""Paths that lead to no regular file, and files that change while they are read."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from rnndiag.containers.source import Source
from rnndiag.errors import InputCode, RnndiagError


def failure(path: str) -> RnndiagError:
    with pytest.raises(RnndiagError) as caught:
        Source.open(path).head()
    return caught.value


def test_missing_directory_and_special_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    expected = {
        "missing": "no such file",
        "dangling": "a link to a file that is not there",
        "": "directory",
        "fifo": "named pipe",
        "loop": "cannot be opened",
        "nul\0byte": "cannot be opened",
        "x" * 5000: "cannot be opened",
    }
    for name, words in expected.items():
        error = failure(f"{tmp_path}/{name}")
        assert error.code is InputCode.CANNOT_OPEN, name
        assert words in error.what, name
    assert "device" in failure(os.devnull).what


def test_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        assert "socket" in failure("socket").what


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.pt"
    path.write_bytes(b"x")

    def denied(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    error = failure(str(path))
    assert error.code is InputCode.CANNOT_OPEN
    assert "no permission" in error.what


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.pt").touch()
    error = failure(str(tmp_path / "empty.pt"))
    assert error.code is InputCode.DAMAGED
    assert "empty" in error.what


def test_reads_are_exact_and_bounded(tmp_path: Path) -> None:
    path = tmp_path / "bytes"
    path.write_bytes(bytes(range(100)))
    source = Source.open(str(path))
    assert source.read_at(10, 5) == bytes(range(10, 15))
    assert source.read_at(100, 0) == b""
    with source:
        assert source.read_at(99, 1) == b"c"
    for start, count in ((96, 5), (-1, 2), (0, -1), (1 << 70, 1), (0, 1 << 70)):
        with pytest.raises(RnndiagError, match="RD003"):
            source.read_at(start, count)


@pytest.mark.parametrize("while_open", [True, False])
@pytest.mark.parametrize("size", [0, 50, 150])
def test_a_file_cut_or_grown_while_being_read(tmp_path: Path, size: int, while_open: bool) -> None:
    path = tmp_path / "bytes"
    path.write_bytes(bytes(100))
    source = Source.open(str(path))
    if while_open:
        with source:
            os.truncate(path, size)
            with pytest.raises(RnndiagError, match="changed while being read"):
                source.read_at(0, 10)
    else:
        os.truncate(path, size)
        with pytest.raises(RnndiagError, match="changed while being read"):
            source.read_at(0, 10)


def test_a_fifo_that_takes_the_files_place_does_not_hang(tmp_path: Path) -> None:
    path = tmp_path / "bytes"
    path.write_bytes(bytes(100))
    source = Source.open(str(path))
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(RnndiagError, match="changed while being read"):
        source.read_at(0, 10)
