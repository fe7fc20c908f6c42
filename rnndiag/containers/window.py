"""A read-only file over a Readable, for the standard library to find an archive's directory in."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rnndiag.containers.failures import refused
from rnndiag.containers.readable import Readable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_READ_BYTES = 1 << 21
"""Of a single read: a zip directory of about 30,000 members; torch writes one a storage."""


class Window(io.RawIOBase):
    """Seeks and reads, and refuses to read more than MAX_READ_BYTES at once."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._position = 0

    def seekable(self) -> bool:
        """True: directories stand at the end, or between members."""
        return True

    def readable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Of the next byte."""
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        """Like a file's; raises OSError before the start."""
        base = (0, self._position, self._source.size)[whence]
        if base + offset < 0:
            raise OSError("before the start of the file")
        self._position = base + offset
        return self._position

    def read(self, count: int = -1) -> bytes:
        """At most `count` bytes; raises RD004 beyond the cap."""
        rest = max(0, self._source.size - self._position)
        count = rest if count < 0 else min(count, rest)
        if count > MAX_READ_BYTES:
            raise refused("its directory has more members than any checkpoint")
        data = self._source.read_at(self._position, count) if count else b""
        self._position += count
        return data

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill the buffer, or as much of it as one read may; how many bytes that was."""
        view = memoryview(buffer)
        data = self.read(min(len(view), MAX_READ_BYTES))
        view[: len(data)] = data
        return len(data)
