"""A zip file's directory, guarded; its members are read in place, or unpacked up to a cap."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from rnndiag.containers.failures import damaged, out_of_memory, refused, truncated, unsupported
from rnndiag.containers.readable import Memory, Part, Readable
from rnndiag.containers.window import Window

_LOCAL_MAGIC = b"PK\x03\x04"
_EMPTY_MAGIC = b"PK\x05\x06"
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_CHUNK_BYTES = 1 << 16
_ENCRYPTED = 0x1
_UTF8 = 0x800

MAX_UNPACKED_PART_BYTES = 1 << 28
"""Of one packed member that is held in memory; real pickles are a few megabytes."""

_FREE_UNPACKED_BYTES = 1 << 28
_MAX_RATIO = 20
"""Deflate can reach 1000; trained numbers reach 1.1, and buffers of zeros lift a file to about 3.
Below 256 MiB nothing is asked."""


def is_zip(head: bytes) -> bool:
    """By the first bytes."""
    return head.startswith((_LOCAL_MAGIC, _EMPTY_MAGIC))


@dataclass(frozen=True)
class Archive:
    """The members of a zip file, by name, in the order of its directory."""

    source: Readable
    members: dict[str, zipfile.ZipInfo]

    _starts: dict[str, int] = field(default_factory=dict, repr=False, compare=False)
    """Where the data of the members looked at so far begin: a tensor is read in many pieces."""

    _unpacked: dict[str, npt.NDArray[np.uint8]] = field(
        default_factory=dict, repr=False, compare=False
    )
    """Packed members read so far, at most MAX_UNPACKED_PART_BYTES together: many tensors may be
    parts of one, and without it each of them would cost the unpacking of what stands before it."""

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
        if self.is_stored(name):
            return self.source.array_at(self._data_start(name) + start, count)
        kept = sum(map(len, self._unpacked.values()))
        if name not in self._unpacked and kept + info.file_size <= MAX_UNPACKED_PART_BYTES:
            self._unpacked[name] = self._unpack(name, 0, info.file_size)
        if name in self._unpacked:
            return self._unpacked[name][start : start + count].copy()
        return self._unpack(name, start, count)

    def verify(self) -> None:
        """Raise RD003 naming the first member whose bytes do not have their checksum."""
        for name, info in self.members.items():
            data_start = self._data_start(name)
            blocks = self._stored if self.is_stored(name) else self._inflated
            checksum = 0
            for block in blocks(name, data_start):
                checksum = zlib.crc32(block, checksum)
            if checksum != info.CRC:
                raise damaged(f"its record {name} does not have its checksum (CRC-32)")

    def part(self, name: str) -> Readable:
        """A member as a file of its own; a packed one is unpacked into memory.

        Raises RD004 where that takes more than MAX_UNPACKED_PART_BYTES.
        """
        size = self.size(name)
        if self.is_stored(name):
            return Part(self.source, self._data_start(name), size)
        if size > MAX_UNPACKED_PART_BYTES:
            raise refused(f"its record {name} unpacks into {size} bytes")
        # Not by `read`, which would keep a copy of its own.
        return Memory(self._unpack(name, 0, size).tobytes())

    def start(self, name: str, count: int) -> bytes:
        """The first bytes of a member, at most `count`; of a packed one, no more is unpacked."""
        count = min(count, self.size(name))
        if self.is_stored(name):
            return self.source.read_at(self._data_start(name), count)
        return self._unpack(name, 0, count).tobytes()

    def _data_start(self, name: str) -> int:
        """Behind the member's own header, whose lengths differ from the directory's."""
        if name not in self._starts:
            self._starts[name] = self._find_data(name)
        return self._starts[name]

    def _find_data(self, name: str) -> int:
        info = self.members[name]
        own = _encoded_name(info)
        raw = self.source.read_at(info.header_offset, _LOCAL_HEADER.size + len(own))
        magic, _, flags, method, *_, name_length, extra_length = _LOCAL_HEADER.unpack_from(raw)
        if magic != _LOCAL_MAGIC:
            raise damaged(f"its record {name} is not where the directory says")
        found = (flags & _ENCRYPTED, method, name_length, raw[_LOCAL_HEADER.size :])
        if found != (0, info.compress_type, len(own), own):
            raise refused(f"its record {name} says of itself what the directory does not")
        return info.header_offset + len(raw) + int(extra_length)

    def _unpack(self, name: str, start: int, count: int) -> npt.NDArray[np.uint8]:
        """Bytes [start, start + count) of a packed member, unpacking all that stands before."""
        try:
            values = np.empty(count, np.uint8)
        except MemoryError:
            raise out_of_memory(count) from None
        position = filled = 0
        for block in self._inflated(name, self._data_start(name)):
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

    def _stored(self, name: str, data_start: int) -> Iterator[bytes]:
        """Blocks of at most _CHUNK_BYTES."""
        size = self.size(name)
        for start in range(0, size, _CHUNK_BYTES):
            yield self.source.read_at(data_start + start, min(_CHUNK_BYTES, size - start))

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


def open_archive(source: Readable) -> Archive:
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
    _check_places(infos)
    unpacked = sum(i.file_size for i in infos if i.compress_type != zipfile.ZIP_STORED)
    if unpacked > max(_FREE_UNPACKED_BYTES, _MAX_RATIO * source.size):
        raise refused(f"it would unpack {source.size} bytes into {unpacked}: a zip bomb")
    return Archive(source, members)


def _directory(source: Readable) -> list[zipfile.ZipInfo]:
    try:
        # The window holds no resource, and infolist() is all that is asked of the archive.
        with zipfile.ZipFile(Window(source)) as archive:
            return archive.infolist()
    except zipfile.BadZipFile:
        raise truncated("the file is truncated: its zip directory is missing or broken") from None
    except (NotImplementedError, struct.error, ValueError, OverflowError, OSError, EOFError):
        raise damaged("its zip directory is broken") from None


def _check_places(infos: list[zipfile.ZipInfo]) -> None:
    """Raise RD004 where one member reaches into another."""
    places = sorted(
        (info.header_offset, _LOCAL_HEADER.size + len(_encoded_name(info)) + info.compress_size)
        for info in infos
    )
    for (start, length), (following, _) in pairwise(places):
        if start + length > following:
            raise refused("members of its zip overlap")


def _encoded_name(info: zipfile.ZipInfo) -> bytes:
    """A member's name as its own header spells it."""
    return info.orig_filename.encode("utf-8" if info.flag_bits & _UTF8 else "cp437")


def _check_member(info: zipfile.ZipInfo) -> None:
    if info.flag_bits & _ENCRYPTED:
        raise unsupported("an encrypted zip", "decrypt it first")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        method = info.compress_type
        raise unsupported(f"a zip of compression method {method}", "repack it uncompressed")
    if info.compress_type == zipfile.ZIP_STORED and info.file_size != info.compress_size:
        raise damaged(f"its record {info.filename} has two different sizes")
