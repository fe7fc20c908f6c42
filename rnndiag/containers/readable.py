"""Bytes that can be read at any position: a file, a range of one, or what was unpacked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rnndiag.containers.failures import truncated

HEAD_BYTES = 4096
"""Enough to know every format by: a tar names itself at byte 257, a web page within a kilobyte."""


class Readable(ABC):
    """A run of bytes of known length."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Bytes in all."""

    @abstractmethod
    def array_at(self, start: int, count: int) -> npt.NDArray[np.uint8]:
        """`count` bytes from `start` as a fresh array; raises RD003 unless they are all there."""

    def read_at(self, start: int, count: int) -> bytes:
        """The same as bytes."""
        return self.array_at(start, count).tobytes()

    def head(self) -> bytes:
        """The first bytes, at most HEAD_BYTES."""
        return self.read_at(0, min(HEAD_BYTES, self.size))


@dataclass(frozen=True)
class Memory(Readable):
    """Bytes that are already in memory."""

    raw: bytes | bytearray = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self.raw)

    def array_at(self, start: int, count: int) -> npt.NDArray[np.uint8]:
        """See Readable."""
        _check_range(self, start, count)
        return np.frombuffer(self.raw, np.uint8, count, start).copy()


@dataclass(frozen=True)
class Part(Readable):
    """The bytes [first, first + length) of something else."""

    whole: Readable
    first: int
    length: int

    @property
    def size(self) -> int:
        """Bytes in all."""
        return self.length

    def array_at(self, start: int, count: int) -> npt.NDArray[np.uint8]:
        """See Readable."""
        _check_range(self, start, count)
        return self.whole.array_at(self.first + start, count)


def _check_range(readable: Readable, start: int, count: int) -> None:
    if start < 0 or count < 0 or start + count > readable.size:
        raise truncated()
