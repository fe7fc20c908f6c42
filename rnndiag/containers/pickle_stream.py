"""Sequential reads from a pickle, where every length is checked before anything is read."""

from __future__ import annotations

import io
import struct

from rnndiag.containers.failures import damaged, refused, truncated
from rnndiag.containers.readable import Readable
from rnndiag.containers.window import Window

_CHUNK_BYTES = 1 << 16

UNSIGNED = {
    width: struct.Struct(f"<{code}").unpack
    for width, code in ((1, "B"), (2, "H"), (4, "I"), (8, "Q"))
}
"""By width. What they raise for too few bytes means that the pickle ends early."""

MAX_LITERAL_BYTES = 3 << 27
"""All strings and byte strings of one pickle; the tensors themselves are not among them. A string
is twice in memory while it is read, as bytes and as text."""

_WIDEST = 4
"""Bytes that Python takes for every character of a text with one beyond the first plane."""


class PickleStream:
    """A cursor over a run of bytes; the standard library's buffer makes small reads cheap."""

    __slots__ = ("_buffered", "_literal_bytes", "_read_line", "_size", "read")

    def __init__(self, source: Readable) -> None:
        self._buffered = io.BufferedReader(Window(source), _CHUNK_BYTES)
        self._size = source.size
        self._literal_bytes = 0
        self._read_line = self._buffered.readline
        self.read = self._buffered.read
        """The next bytes, or as many as there are: for small fixed counts only."""

    @property
    def position(self) -> int:
        """Of the next byte."""
        return self._buffered.tell()

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        if count > _CHUNK_BYTES:
            self.require(count)
        taken = self.read(count)
        if len(taken) < count:
            raise ends_early()
        return taken

    def unsigned(self, width: int) -> int:
        """A little-endian unsigned integer of 1, 2, 4 or 8 bytes."""
        number: int = UNSIGNED[width](self.take(width))[0]
        return number

    def literal(self, width: int) -> bytes:
        """A string behind its length of `width` bytes, charged to the budget before it is read."""
        count: int = UNSIGNED[width](self.read(width))[0]
        if count > _CHUNK_BYTES and count > self._size - self.position:
            raise truncated(f"the file is truncated: it declares a string of {count} bytes")
        self._charge(count)
        taken = self.read(count)
        if len(taken) < count:
            raise truncated(f"the file is truncated: it declares a string of {count} bytes")
        return taken

    def line(self, limit: int) -> bytes:
        """The bytes up to the next newline, which is consumed; at most `limit`."""
        line = self._read_line(limit + 1)
        if line[-1:] != b"\n":
            if len(line) > limit:
                raise damaged(f"its pickle holds a line longer than {limit} bytes")
            raise ends_early()
        self._charge(len(line))
        return line[:-1]

    def widen(self, text: bytes | str) -> None:
        """Charge what a text takes beyond a byte for every one of the file."""
        if not text.isascii():
            self._charge((_WIDEST - 1) * len(text))

    def _charge(self, count: int) -> None:
        self._literal_bytes += count
        if self._literal_bytes > MAX_LITERAL_BYTES:
            raise refused(f"its pickle holds more than {MAX_LITERAL_BYTES} bytes of strings")

    def skip(self, count: int) -> None:
        """Step over raw bytes between pickles."""
        self.require(count)
        self._buffered.seek(count, io.SEEK_CUR)

    def require(self, count: int) -> None:
        """Raise unless `count` more bytes remain."""
        if count > self._size - self.position:
            raise ends_early()


def ends_early() -> Exception:
    """RD003 where a pickle stops before its STOP."""
    return truncated("the file is truncated: its pickle ends early")
