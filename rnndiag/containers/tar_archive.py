"""A tar file's directory, walked header by header; its members are read in place.

The standard library's reader is not used: a hostile file can make it recurse, or match a regular
expression over megabytes of extended header. Layout: POSIX.1-1988 (ustar), POSIX.1-2001 (pax) and
GNU's long names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rnndiag.containers.candidate import Candidate
from rnndiag.containers.failures import damaged, not_a_checkpoint, refused, truncated
from rnndiag.containers.readable import Part, Readable
from rnndiag.containers.text import decoded
from rnndiag.containers.wrapping import Members, Room, Wrapping, listed
from rnndiag.errors import RnndiagError

_BLOCK = 512
_MAGIC = slice(257, 262)

MAX_HEADERS = 10_000
"""A NeMo file has about ten members, a folder of a model with its tokenizer about thirty."""

_MAX_EXTENDED_BYTES = 1 << 16
"""Of a pax header or a GNU long name; real ones are some hundred bytes."""

_REGULAR = (b"0", b"\0", b"7")
_PAX, _LONG_NAME = b"x", b"L"
_PASSED_OVER = (b"g", b"K", b"V", b"D")
"""Global pax headers, GNU's long link targets, volume labels and listings of folders."""

_FOLDER = b"5"
_SPARSE = b"S"
_SPECIAL = (b"1", b"2", b"3", b"4", b"6")
"""Hard and symbolic links, devices, pipes."""


def is_tar(head: bytes | bytearray) -> bool:
    """By the first block."""
    return head[_MAGIC] == b"ustar"


def first_member(head: bytes) -> str:
    """The name of a tar's first member, as far as a file's first bytes tell; else empty."""
    position = 0
    while is_tar(block := head[position : position + _BLOCK]) and len(block) == _BLOCK:
        if block[156:157] not in (_PAX, _LONG_NAME, *_PASSED_OVER):
            return _name(block)
        position += _BLOCK + -(-_number(block[124:136]) // _BLOCK) * _BLOCK
    return ""


def tar_members(source: Readable) -> dict[str, Part]:
    """Where each regular member lies, by name, in the order of the file. Nothing is extracted.

    Raises RD002 for more than MAX_HEADERS entries, RD003 where a header is broken or a member
    reaches past the end of the file, RD004 for links, pipes, devices, sparse members and names that
    occur twice.
    """
    members: dict[str, Part] = {}
    for name, part in entries(source):
        if part is None:
            raise refused("its tar holds a link, a pipe or a device")
        if name in members:
            raise refused("its tar directory holds a name twice")
        members[name] = part
    return members


@dataclass
class _Extended:
    """What an extended header says of the member behind it, in place of the member's own."""

    name: str | None = None
    size: int | None = None


def entries(source: Readable) -> Iterator[tuple[str, Part | None]]:
    """Names and files; None for a link, a pipe or a device."""
    position, extended = 0, _Extended()
    for _ in range(MAX_HEADERS):
        if position + _BLOCK > source.size:  # also where the last member claims more than there is
            raise truncated()
        block = source.read_at(position, _BLOCK)
        if not block.strip(b"\0"):
            return
        kind, size = _checked_kind(block), _number(block[124:136])
        size = size if extended.size is None or kind not in _REGULAR else extended.size
        start = position + _BLOCK
        has_bytes = kind not in (_FOLDER, *_SPECIAL)
        position = start + (-(-size // _BLOCK) * _BLOCK if has_bytes else 0)
        if kind in (_PAX, _LONG_NAME):
            _extend(extended, kind, source, start, size)
            continue
        name = _name(block) if extended.name is None else extended.name
        if kind in _SPECIAL:
            yield name, None
        elif kind in _REGULAR and not name.endswith("/"):
            yield name, Part(source, start, size)
        if kind not in _PASSED_OVER:
            extended = _Extended()
    raise not_a_checkpoint(f"a tar archive of more than {MAX_HEADERS} entries", REMEDY)


def _checked_kind(block: bytes) -> bytes:
    """A header's type; raises RD003 for a damaged header, RD004 for a sparse member."""
    if not is_tar(block) or not _has_checksum(block):
        raise damaged("its tar directory is broken")
    kind = block[156:157]
    if kind == _SPARSE:
        raise refused("its tar holds a sparse file")
    if kind not in (*_REGULAR, *_SPECIAL, *_PASSED_OVER, _FOLDER, _PAX, _LONG_NAME):
        raise damaged("its tar directory has an entry of an unknown type")
    return kind


def _has_checksum(block: bytes) -> bool:
    """The sum of its bytes, these eight taken as spaces; some old systems summed signed ones."""
    counted = block[:148] + b" " * 8 + block[156:]
    total, claimed = sum(counted), _number(block[148:156])
    return claimed in (total, total - 256 * sum(byte > 127 for byte in counted))


def _number(raw: bytes) -> int:
    """Octal digits, or a big-endian number behind 0x80."""
    if raw[:1] == b"\x80":
        return int.from_bytes(raw[1:], "big")
    digits = raw.partition(b"\0")[0].strip()
    if not digits:
        return 0
    if any(byte not in b"01234567" for byte in digits):
        raise damaged("its tar directory is broken: a size is not a number")
    return int(digits, 8)


def _name(block: bytes) -> str:
    name = block[:100].partition(b"\0")[0]
    # GNU's own variant ("ustar" and a space) keeps times where the prefix would stand.
    prefix = block[345:500].partition(b"\0")[0] if block[262:263] == b"\0" else b""
    return decoded(prefix + b"/" + name if prefix else name)


def _extend(extended: _Extended, kind: bytes, source: Readable, start: int, size: int) -> None:
    if size > _MAX_EXTENDED_BYTES:
        raise refused(f"its tar has a header of {size} bytes")
    raw = source.read_at(start, size)
    if kind == _LONG_NAME:
        extended.name = decoded(raw.partition(b"\0")[0])
        return
    for key, value in _pax_records(raw):
        if key == b"path":
            extended.name = decoded(value)
        elif key == b"size":
            extended.size = _pax_size(value)
        elif key.startswith(b"GNU.sparse."):
            raise refused("its tar holds a sparse file")


def _pax_size(value: bytes) -> int:
    if not value.isdigit() or len(value) > 19:
        raise damaged("its tar directory is broken: a size is not a number")
    return int(value)


def _pax_records(raw: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Lines of the form "length key=value", the length counting all of it."""
    position = 0
    while position < len(raw) and raw[position]:
        digits = raw[position : position + 6].partition(b" ")[0]
        length = int(digits) if digits.isdigit() else 0
        record = raw[position + len(digits) + 1 : position + length]
        key, equals, value = record.partition(b"=")
        if length <= len(digits) + 1 or not equals or not value.endswith(b"\n"):
            raise damaged("its tar directory is broken: an extended header is malformed")
        yield key, value[:-1]
        position += length


REMEDY = "unpack it first: tar xf"


def _members(candidate: Candidate, _: Room) -> Members:
    """The files, whatever else there is: data sets hold links, and nothing here follows them."""
    return {name: part for name, part in entries(candidate.source) if part is not None}


def _check(candidate: Candidate) -> None:
    tar_members(candidate.source)


def _nothing(candidate: Candidate) -> RnndiagError:
    names = [name for name, part in entries(candidate.source) if part is not None]
    return not_a_checkpoint(f"a tar archive holding {listed(names) or 'no file'}", REMEDY)


TAR = Wrapping("tar", lambda candidate: is_tar(candidate.head), _members, _nothing, REMEDY, _check)
