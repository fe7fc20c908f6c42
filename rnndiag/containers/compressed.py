"""Files packed whole, by gzip, bzip2, xz or joblib: unpacked into memory, up to a cap.

Nothing is written to disk. What is packed is looked at before much of it is unpacked, so that a
table of numbers or a file of zeros costs no more than its first kilobytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from rnndiag.containers.candidate import Candidate
from rnndiag.containers.failures import damaged, not_a_checkpoint, refused, truncated, unsupported
from rnndiag.containers.impostors import is_text, is_zeros
from rnndiag.containers.plain_pickle import is_pickle
from rnndiag.containers.readable import HEAD_BYTES, Memory, Part, Readable
from rnndiag.containers.tar_archive import TAR, entries, is_tar
from rnndiag.containers.torch_legacy import is_legacy
from rnndiag.containers.wrapping import Members, Room, Wrapping, listed
from rnndiag.containers.zip_archive import is_zip
from rnndiag.errors import Content, InputCode, RnndiagError

_CHUNK_BYTES = 1 << 16

_LEAST_BYTES = 16
"""Of a packed file: lzma's header has 13, and the content one or more."""

_MAX_STREAMS = 10_000
"""Packed one behind the other, as bgzip does with blocks of 64 KB."""

_LEVELS = [b"%d" % level for level in range(1, 10)]
"""Of bzip2, behind its three letters."""

_MAX_DICTIONARY_BYTES = 1 << 27
"""Memory that unpacking xz may take; `xz -9` takes 65 MiB, and a file may ask for 4 GiB."""


class _Engine(Protocol):
    """What bz2 and lzma have, and _Inflater has for zlib."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


@dataclass
class _Inflater:
    """zlib's engine, keeping the input that it has not used yet."""

    window: int
    _rest: bytes = b""
    _full: bool = False

    def __post_init__(self) -> None:
        self._inner = zlib.decompressobj(self.window)

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        """False where it holds input, or output that did not fit."""
        return not (self._rest or self._full)

    @property
    def unused_data(self) -> bytes:
        """What stands behind the stream."""
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """At most `max_length` bytes."""
        block = self._inner.decompress(self._rest + data, max_length)
        self._rest = self._inner.unconsumed_tail
        self._full = len(block) == max_length
        return block


def _gzip() -> _Engine:
    return _Inflater(zlib.MAX_WBITS | 16)


def _zlib() -> _Engine:
    return _Inflater(zlib.MAX_WBITS)


def _bzip2() -> _Engine:
    import bz2

    return bz2.BZ2Decompressor()


def _xz() -> _Engine:
    import lzma

    return lzma.LZMADecompressor(lzma.FORMAT_AUTO, memlimit=_MAX_DICTIONARY_BYTES)


@dataclass(frozen=True)
class _Packing:
    """A way to pack a file whole."""

    name: str
    engine: Callable[[], _Engine]
    remedy: str

    magic: bytes = b""
    """With which a further stream may follow; empty where none may."""

    errors: Callable[[], tuple[type[Exception], ...]] = lambda: ()
    """What the engine raises of its own for a damaged stream."""

    skip: Callable[[bytes], int] = field(default=lambda _: 0)
    """Bytes before the stream, by the file's first bytes."""

    def members(self, candidate: Candidate, room: Room) -> Members:
        """The one content, in memory."""
        source = candidate.source
        start = self.skip(candidate.head)
        blocks = self._blocks(Part(source, start, source.size - start))
        whole = bytearray()
        for block in blocks:
            if len(block) > room.left:
                raise self._too_large(Memory(whole), room)
            room.take(len(block), self.remedy)
            is_first = len(whole) < HEAD_BYTES <= len(whole) + len(block)
            whole += block
            if is_first:
                self._check_head(bytes(whole[:HEAD_BYTES]))
        if not whole:
            raise self.nothing(candidate)
        return {"": Memory(whole)}

    def nothing(self, _: Candidate) -> RnndiagError:
        """For an empty one."""
        return not_a_checkpoint(f"an empty file in {self.name}, not a checkpoint", self.remedy)

    def packs_a_checkpoint(self, head: bytes) -> bool:
        """Whether the file's first bytes unpack into the start of a pickle or a zip.

        Or into nothing yet, but without fault: a file that was cut.
        """
        if len(head) < _LEAST_BYTES or is_text(head):
            return False
        try:
            start = self._unpacked(self._started(), head)
        except RnndiagError:
            return False
        return not start or is_pickle(start) or is_zip(start)

    def wrapping(self, recognises: Callable[[bytes], bool]) -> Wrapping:
        """The same as one of several ways."""
        return Wrapping(
            self.name,
            lambda candidate: recognises(candidate.head),
            self.members,
            self.nothing,
            self.remedy,
        )

    def _check_head(self, head: bytes) -> None:
        """Raise RD002 for what need not be unpacked any further."""
        if is_zeros(head) or (is_text(head) and not is_pickle(head)):
            what = "a file of zeros" if is_zeros(head) else "a text file"
            what = f"inside {self.name}: {what}, not a checkpoint"
            raise not_a_checkpoint(what, self.remedy)

    def _too_large(self, start: Memory, room: Room) -> RnndiagError:
        """RD004 for what may be a checkpoint, RD002 for a large file of some other format."""
        head = start.head()
        if is_tar(head) and (names := _other_members(start)):
            what = f"a tar archive holding {listed(names)}; it was looked into for its first"
            what = f"inside {self.name}: {what} {start.size >> 20} MiB"
            return not_a_checkpoint(what, TAR.remedy)
        if not _may_be_read(head):
            what = f"inside {self.name}: unknown bytes, not a checkpoint"
            return not_a_checkpoint(what, self.remedy)
        # `tar xf` does both.
        return room.too_little(TAR.remedy if is_tar(head) else self.remedy)

    def _blocks(self, source: Readable) -> Iterator[bytes]:
        """All streams unpacked, in blocks of at most _CHUNK_BYTES."""
        chunks = _chunks(source)
        pending = b""
        for _ in range(_MAX_STREAMS):
            engine = self._started()
            while not engine.eof:
                if engine.needs_input and not pending:
                    pending = next(chunks, b"")
                    if not pending:
                        raise truncated()
                block = self._unpacked(engine, pending)
                pending = b""
                if block:
                    yield block
            pending = engine.unused_data
            if len(pending) < len(self.magic):
                pending += next(chunks, b"")
            if not self.magic or not pending.startswith(self.magic):
                return
        raise refused(f"it consists of more than {_MAX_STREAMS} packed pieces", self.remedy)

    def _started(self) -> _Engine:
        try:
            return self.engine()
        except ImportError:  # a Python that was built without the library
            raise unsupported(
                f"{self.name}: this Python cannot unpack it", self.remedy, Content.UNREADABLE
            ) from None

    def _unpacked(self, engine: _Engine, raw: bytes) -> bytes:
        expected: tuple[type[Exception], ...] = (zlib.error, OSError, ValueError, EOFError)
        expected += self.errors()
        try:
            return engine.decompress(raw, _CHUNK_BYTES)
        except expected as error:
            if "limit" in str(error):
                limit = f"{_MAX_DICTIONARY_BYTES >> 20} MiB"
                raise refused(f"unpacking it takes more than {limit}", self.remedy) from None
            raise damaged(f"its {self.name} stream is damaged") from None


def _may_be_read(head: bytes) -> bool:
    """Whether a file that starts so may be a checkpoint, or an archive of one."""
    is_safetensors = head[8:9] == b"{"
    return (
        any(is_it(head) for is_it in (is_pickle, is_legacy, is_zip, is_tar))
        or is_safetensors
        or head.startswith((_GZIP.magic, _BZIP2.magic, _XZ.magic, _LZMA_ALONE, b"x", b"ZF0x"))
    )


def _other_members(start: Readable) -> list[str]:
    """Names in the first part of a tar, none of which is a checkpoint; else nothing."""
    names: list[str] = []
    try:
        for name, part in entries(start):
            if part is not None:
                names.append(name)
                if _may_be_checkpoint(part.head()):
                    return []
    except RnndiagError as error:
        # As it must where a part is all there is, or there are thousands of members.
        return [] if error.code is InputCode.REFUSED else names
    return names


def _may_be_checkpoint(head: bytes) -> bool:
    """Whether a member may be one that is read. Archives in an archive this large are data."""
    length = int.from_bytes(head[26:28], "little")
    is_npz = is_zip(head) and head[30 : 30 + length].endswith(b".npy")
    return not is_npz and (
        head[8:9] == b"{" or any(is_it(head) for is_it in (is_pickle, is_legacy, is_zip))
    )


def _chunks(source: Readable) -> Iterator[bytes]:
    for start in range(0, source.size, _CHUNK_BYTES):
        yield source.read_at(start, min(_CHUNK_BYTES, source.size - start))


def _lzma_errors() -> tuple[type[Exception], ...]:
    import lzma

    return (lzma.LZMAError,)


def _zfile_skip(head: bytes) -> int:
    """joblib before 0.10: "ZF", the length in hexadecimal, and with Python 2 one space more."""
    return _ZFILE_BYTES + (head[_ZFILE_BYTES : _ZFILE_BYTES + 1] == b" ")


_ZFILE_BYTES = 2 + len(hex(1 << 64))
_LZMA_ALONE = b"\x5d\x00\x00"
_JOBLIB = "load it with joblib, and dump it without compress"

_GZIP = _Packing("gzip", _gzip, "decompress it first: gunzip", b"\x1f\x8b")
_BZIP2 = _Packing("bzip2", _bzip2, "decompress it first: bunzip2", b"BZh")
_XZ = _Packing("xz", _xz, "decompress it first: unxz", b"\xfd7zXZ", _lzma_errors)
_LZMA = _Packing("lzma", _xz, _JOBLIB, errors=_lzma_errors)
_ZLIB = _Packing("zlib", _zlib, _JOBLIB)
_ZFILE = _Packing("joblib-zfile", _zlib, _JOBLIB, skip=_zfile_skip)

COMPRESSED = (
    _GZIP.wrapping(lambda head: head.startswith(_GZIP.magic)),
    _BZIP2.wrapping(lambda head: head.startswith(_BZIP2.magic) and head[3:4] in _LEVELS),
    _XZ.wrapping(lambda head: head.startswith(_XZ.magic)),
    # Two that name themselves with a byte or three: only what is in them tells.
    _LZMA.wrapping(lambda head: head.startswith(_LZMA_ALONE) and _LZMA.packs_a_checkpoint(head)),
    _ZLIB.wrapping(lambda head: head[:1] == b"x" and _ZLIB.packs_a_checkpoint(head)),
    _ZFILE.wrapping(lambda head: head.startswith(b"ZF0x")),
)
"""joblib's `compress` writes all of these but the last, which it wrote before 0.10."""
