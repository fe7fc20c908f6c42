"""All of a file or nothing, with ordinary permissions, through links and into pipes."""

from __future__ import annotations

import os
import stat

import pytest

from rnndiag.errors import InputCode, RnndiagError
from rnndiag.whole_file import write_whole


def test_it_replaces_what_is_there(tmp_path):
    path = tmp_path / "report.txt"
    path.write_text("much longer than the new one")
    write_whole(path, [b"new", b"er"], "choose another file")
    assert path.read_bytes() == b"newer"
    assert list(tmp_path.iterdir()) == [path]


def test_it_has_the_permissions_of_any_new_file(tmp_path):
    ordinary, written = tmp_path / "ordinary", tmp_path / "written"
    ordinary.touch()
    write_whole(written, [b"x"], "choose another file")
    assert stat.S_IMODE(written.stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)


def test_a_link_is_followed(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    write_whole(link, [b"x"], "choose another file")
    assert link.is_symlink()
    assert target.read_bytes() == b"x"


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    """So is a device, which no test should put at risk."""
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_whole(tmp_path / "pipe", [b"x"], "choose another file")
        assert os.read(reader, 2) == b"x"
    finally:
        os.close(reader)
    assert (tmp_path / "pipe").is_fifo()


def failing_pieces():
    yield b"half"
    raise OSError(28, "No space left on device")


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "report.txt"
    path.write_text("old")
    with pytest.raises(RnndiagError) as caught:
        write_whole(path, failing_pieces(), "choose another file")
    assert caught.value.code is InputCode.CANNOT_WRITE
    said = f"RD008 {path} cannot be written: no space left on device; choose another file"
    assert str(caught.value) == said
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(RnndiagError, match="cannot be written: no such file or directory"):
        write_whole(tmp_path / "missing" / "report.txt", [b"x"], "choose another file")
