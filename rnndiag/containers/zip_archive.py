"""A zip file's directory, guarded; its members are read in place, or unpacked up to a cap."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnndiag.containers.failures import damaged, out_of_memory, refused, truncated, unsupported
from rnndiag.containers.source import Source

_LOCAL_MAGIC = b"PK\x03\x04"
_EMPTY_MAGIC = b"PK\x05\x06"
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_CHUNK_BYTES = 1 << 16
_ENCRYPTED = 0x1

_MAX_DIRECTORY_BYTES = 1 << 25
"""About 300,000 members; torch writes one for each storage."""

_FREE_UNPACKED_BYTES = 1 << 28
_MAX_RATIO = 20
"""Deflate can reach 1000; trained numbers reach 1.1, and buffers of zeros lift a file to about 3.
Below 256 MiB nothing is asked."""


def is_zip(head: bytes) -> bool:
    """By the first bytes."""
    return head.startswith((_LOCAL_MAGIC, _EMPTY_MAGIC))


class _Window(io.RawIOBase):
    """A read-only file over a Source, for zipfile to find the directory in."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._position = 0

    def seekable(self) -> bool:
        """True: the directory stands at the end."""
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
        """At most `count` bytes; raises RD004 for a directory beyond the cap."""
        rest = max(0, self._source.size - self._position)
        count = rest if count < 0 else min(count, rest)
        if count > _MAX_DIRECTORY_BYTES:
            raise refused("its zip directory has more members than any checkpoint")
        data = self._source.read_at(self._position, count) if count else b""
        self._position += count
        return data


@dataclass(frozen=True)
class Archive:
    """The members of a zip file, by name, in the order of its directory."""

    source: Source
    members: dict[str, zipfile.ZipInfo]

    def size(self, name: str) -> int:
        """Bytes of a member once unpacked."""
        return self.members[name].file_size

    def is_stored(self, name: str) -> bool:
        """True for a member that lies in the file as it is."""
        return self.members[name].compress_type == zipfile.ZIP_STORED

    def read(self, name: str, start: int, count: int) -> npt.NDArray[np.uint8]:
        """Bytes [start, start + count) of a member; raises RD003 where they are not there."""
        info = self.members[name]
        if start < 0 or count < 0 or start + count > info.file_size:
            raise damaged(f"its record {name} is shorter than declared")
        data_start = self._data_start(name, info)
        if self.is_stored(name):
            return self.source.array_at(data_start + start, count)
        return self._unpacked(name, data_start, start, count)

    def _data_start(self, name: str, info: zipfile.ZipInfo) -> int:
        """Behind the member's own header, whose lengths differ from the directory's."""
        raw = self.source.read_at(info.header_offset, _LOCAL_HEADER.size)
        fields = _LOCAL_HEADER.unpack(raw)
        if fields[0] != _LOCAL_MAGIC:
            raise damaged(f"its record {name} is not where the directory says")
        name_length, extra_length = fields[-2:]
        return info.header_offset + _LOCAL_HEADER.size + int(name_length) + int(extra_length)

    def _unpacked(
        self, name: str, data_start: int, start: int, count: int
    ) -> npt.NDArray[np.uint8]:
        try:
            values = np.empty(count, np.uint8)
        except MemoryError:
            raise out_of_memory(count) from None
        position = filled = 0
        for block in self._inflated(name, data_start):
            wanted = block[max(0, start - position) : start + count - position]
            if position + len(block) > start and wanted:
                values[filled : filled + len(wanted)] = np.frombuffer(wanted, np.uint8)
                filled += len(wanted)
            position += len(block)
            if filled == count:
                return values
        if filled < count:
            raise damaged(f"its record {name} is shorter than declared")
        return values

    def _inflated(self, name: str, data_start: int) -> Iterator[bytes]:
        """Blocks of at most _CHUNK_BYTES, so that a bomb fills no memory."""
        engine = zlib.decompressobj(-zlib.MAX_WBITS)
        position, end = data_start, data_start + self.members[name].compress_size
        pending = b""
        while not engine.eof and (pending or position < end):
            if not pending:
                pending = self.source.read_at(position, min(_CHUNK_BYTES, end - position))
                position += len(pending)
            try:
                block = engine.decompress(pending, _CHUNK_BYTES)
            except zlib.error:
                raise damaged(f"its record {name} cannot be unpacked") from None
            pending = engine.unconsumed_tail
            yield block


def open_archive(source: Source) -> Archive:
    """Read and check the directory.

    Raises RD003 where it is missing or broken, RD004 for names that occur twice or a zip bomb, and
    RD005 for encryption or an unusual compression.
    """
    infos = _directory(source)
    members = {info.filename: info for info in infos}
    if len(members) != len(infos):
        raise refused("two members of the zip have the same name")
    for info in infos:
        _check_member(info)
    unpacked = sum(i.file_size for i in infos if i.compress_type != zipfile.ZIP_STORED)
    if unpacked > max(_FREE_UNPACKED_BYTES, _MAX_RATIO * source.size):
        raise refused(f"it would unpack {source.size} bytes into {unpacked}: a zip bomb")
    return Archive(source, members)


def _directory(source: Source) -> list[zipfile.ZipInfo]:
    try:
        # The window holds no resource, and infolist() is all that is asked of the archive.
        with zipfile.ZipFile(_Window(source)) as archive:
            return archive.infolist()
    except zipfile.BadZipFile:
        raise truncated("the file is truncated: its zip directory is missing or broken") from None
    except (NotImplementedError, struct.error, ValueError, OverflowError, OSError, EOFError):
        raise damaged("its zip directory is broken") from None


def _check_member(info: zipfile.ZipInfo) -> None:
    if info.flag_bits & _ENCRYPTED:
        raise unsupported("an encrypted zip", "decrypt it first")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        method = info.compress_type
        raise unsupported(f"a zip of compression method {method}", "repack it uncompressed")
    if info.compress_type == zipfile.ZIP_STORED and info.file_size != info.compress_size:
        raise damaged(f"its record {info.filename} has two different sizes")
