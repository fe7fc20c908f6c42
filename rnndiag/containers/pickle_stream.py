"""Sequential reads from a range of bytes, where every length is checked before anything is read."""

from __future__ import annotations

from collections.abc import Callable

from rnndiag.containers.failures import damaged, refused, truncated

_CHUNK_BYTES = 1 << 16

MAX_LITERAL_BYTES = 1 << 29
"""All strings and byte strings of one pickle; the tensors themselves are not among them."""


class PickleStream:
    """A cursor over the bytes [start, end) of something that can be read at any position."""

    def __init__(self, read_at: Callable[[int, int], bytes], start: int, end: int) -> None:
        self._read_at = read_at
        self._end = end
        self._buffer = b""
        self._buffer_start = start
        self._cursor = 0
        self._literal_bytes = 0

    @property
    def position(self) -> int:
        """Of the next byte, counted like `start`."""
        return self._buffer_start + self._cursor

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        stop = self._cursor + count
        if stop > len(self._buffer):
            if count > self._end - self.position:
                raise truncated("the file is truncated: its pickle ends early")
            self._refill(max(count, min(_CHUNK_BYTES, self._end - self.position)))
            stop = count
        taken = self._buffer[self._cursor : stop]
        self._cursor = stop
        return taken

    def byte(self) -> int:
        """The next byte, as a number."""
        if self._cursor < len(self._buffer):
            self._cursor += 1
            return self._buffer[self._cursor - 1]
        return self.take(1)[0]

    def unsigned(self, width: int) -> int:
        """A little-endian unsigned integer of `width` bytes."""
        return int.from_bytes(self.take(width), "little")

    def literal(self, count: int) -> bytes:
        """A string of a declared length, charged to the budget before it is read."""
        if count > self._end - self.position:
            raise truncated(f"the file is truncated: it declares a string of {count} bytes")
        self._literal_bytes += count
        if self._literal_bytes > MAX_LITERAL_BYTES:
            raise refused(f"its pickle holds more than {MAX_LITERAL_BYTES} bytes of strings")
        return self.take(count)

    def line(self, limit: int) -> bytes:
        """The bytes up to the next newline, which is consumed; at most `limit`."""
        if self._buffer.find(b"\n", self._cursor) < 0:
            self._refill(min(max(limit + 1, _CHUNK_BYTES), self._end - self.position))
        stop = self._buffer.find(b"\n", self._cursor)
        if stop < 0 and self.position + len(self._buffer) - self._cursor >= self._end:
            raise truncated("the file is truncated: its pickle ends early")
        if stop < 0 or stop - self._cursor > limit:
            raise damaged(f"its pickle holds a line longer than {limit} bytes")
        return self.literal(stop - self._cursor + 1)[:-1]

    def skip(self, count: int) -> None:
        """Step over raw bytes between pickles."""
        self.require(count)
        if self._cursor + count <= len(self._buffer):
            self._cursor += count
        else:
            self._buffer_start, self._buffer, self._cursor = self.position + count, b"", 0

    def require(self, count: int) -> None:
        """Raise unless `count` more bytes remain."""
        if count > self._end - self.position:
            raise truncated("the file is truncated: its pickle ends early")

    def _refill(self, count: int) -> None:
        """Drop what was consumed and hold the next `count` bytes."""
        start = self.position
        self._buffer = self._read_at(start, count)
        self._buffer_start = start
        self._cursor = 0
