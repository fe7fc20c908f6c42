"""What a file is when no container reads it, and what to do about it."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rnndiag.containers import hdf5
from rnndiag.containers.candidate import Candidate
from rnndiag.containers.failures import not_a_checkpoint, truncated, unsupported
from rnndiag.containers.foreign import (
    IN_TEXT,
    MODELS,
    NAME_A_CHECKPOINT,
    OTHERS,
    PACKED,
    TENSORFLOW,
    Format,
    Packed,
    starts,
)
from rnndiag.containers.readable import HEAD_BYTES, Readable
from rnndiag.containers.wrapping import listed
from rnndiag.containers.zip_archive import Archive
from rnndiag.errors import Content, RnndiagError

_DOWNLOAD = "download the file itself"


@dataclass(frozen=True)
class Impostor:
    """A kind of file, known by its first bytes."""

    is_it: Callable[[bytes], bool]
    failure: RnndiagError


def _starts_text(*words: bytes) -> Callable[[bytes], bool]:
    return lambda head: (
        head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(words) and is_text(head)
    )


def _matches(pattern: bytes) -> Callable[[bytes], bool]:
    """In small or capital letters. Compiled when it is used, which it seldom is."""
    return lambda head: (
        re.match(b"(?is)" + pattern, head.lstrip(b"\xef\xbb\xbf \t\r\n")) is not None
    )


def is_zeros(head: bytes) -> bool:
    """A file that was made and never written, or whose blocks were lost."""
    return not head.strip(b"\0")


def is_text(head: bytes) -> bool:
    """UTF-8 without control characters, as far as the head goes."""
    return all(byte in b"\t\n\r\f\x1b" or byte >= 0x20 for byte in head) and _is_utf8(head)


def _is_utf8(head: bytes) -> bool:
    """A character may be cut at the end of the head."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _is_cut_legacy(head: bytes) -> bool:
    return b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.".startswith(head)


_WEB_PAGE = rb"(?:<!--.{,1000}?-->\s*)?<(?:!doctype html|html|head|body|title|meta)\b"
_XML_ERROR = rb"(?:<\?xml[^>]*>\s*)?<\w*error\b"
_JSON_ERROR = rb'\{\s*"(?:errors?|message|msg|detail|status|status_?code|code)"'
_REPLY = (
    rb"(?:(?:error|http/[\d.]+)?:?\s*[45]\d\d[: -]+[a-z]|error\b|"
    rb"(?:\w+ )?(?:is )?not found\b|access (?:is )?denied|permission denied|forbidden|"
    rb"unauthori[sz]ed|invalid (?:user|credential|token)|internal (?:server )?error|bad gateway|"
    rb"bad request|(?:service|temporarily) unavailable|gateway time-?out|too many requests|"
    rb"rate limit|(?:download )?quota|(?:request|link|token) (?:has )?expired|no such \w+)"
)
"""What a server says in words, in place of a file."""

_LONGEST_REPLY = 1000


def _not(
    what: str, remedy: str = NAME_A_CHECKPOINT, content: Content = Content.FOREIGN
) -> RnndiagError:
    return not_a_checkpoint(f"{what}, not a checkpoint", remedy, content)


def _packed(what: str, command: str) -> RnndiagError:
    """Packed in a way that is not unpacked here; joblib and others may have written it."""
    return _not(what, f"decompress it first: {command}")


def _in_its_place(what: str, remedy: str = _DOWNLOAD) -> RnndiagError:
    """For what stands where a file should be."""
    return _not(what, remedy, Content.ABSENT)


def _text(what: str) -> RnndiagError:
    return _not(what, content=Content.UNKNOWN)


def _named(kind: Format | Packed) -> RnndiagError:
    if kind.content is Content.FOREIGN:
        return unsupported(f"{kind.what}: not supported", kind.remedy)
    return _not(kind.what, kind.remedy, kind.content)


def _all_of(kinds: tuple[Format, ...]) -> tuple[Impostor, ...]:
    return tuple(Impostor(kind.is_it, _named(kind)) for kind in kinds)


IMPOSTORS = (
    Impostor(_is_cut_legacy, truncated()),
    Impostor(
        starts(b"version https://git-lfs"),
        _in_its_place("a git-lfs pointer", "run `git lfs pull`"),
    ),
    Impostor(
        starts(b"/annex/objects/"), _in_its_place("a git-annex pointer", "run `git annex get`")
    ),
    Impostor(_matches(_WEB_PAGE), _in_its_place("a web page")),
    Impostor(_matches(_XML_ERROR), _in_its_place("an XML error reply")),
    Impostor(_starts_text(b"<?xml"), _text("an XML text")),
    Impostor(_matches(_JSON_ERROR), _in_its_place("a JSON error reply")),
    Impostor(_starts_text(b"{", b"[{", b'["'), _text("a JSON text")),
    Impostor(starts(b"\x28\xb5\x2f\xfd"), _packed("a zstandard archive", "unzstd")),
    Impostor(starts(b"\x04\x22\x4d\x18"), _packed("an lz4 archive", "unlz4")),
    Impostor(starts(b"7z\xbc\xaf", b"Rar!"), _not("an archive", "unpack it first")),
    Impostor(
        starts(b"\x93NUMPY"),
        unsupported(
            "a single numpy array: not supported",
            "save the arrays of a network by name, with numpy.savez",
            Content.NO_RECURRENCE,
        ),
    ),
    *_all_of(IN_TEXT),
    Impostor(is_text, _text("a text file")),
    *_all_of((*MODELS, *OTHERS, TENSORFLOW)),
)
"""In order; the first that fits is named."""

_TABLE_END = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"
"""Of a LevelDB table, as which TensorFlow writes the index of a checkpoint."""

_BLOCK_BYTES = 1 << 20


def explain(candidate: Candidate) -> RnndiagError:
    """The error for a file that no container recognises."""
    if candidate.archive is not None:
        return _explain_zip(candidate.archive)
    return next(_explanations(candidate.head, candidate.source))


def _explanations(head: bytes, source: Readable) -> Iterator[RnndiagError]:
    """All that fit, the best first; some need more of the file than its first bytes."""
    if head.startswith(hdf5.MAGIC):
        yield hdf5.explain(source)
    if is_zeros(head) and _is_all_zeros(source):
        yield _in_its_place("a file of zeros")
    if source.size <= _LONGEST_REPLY and is_text(head) and _matches(_REPLY)(head):
        yield _in_its_place("an error reply")
    yield from (impostor.failure for impostor in IMPOSTORS if impostor.is_it(head))
    start = max(0, source.size - HEAD_BYTES)
    tail = source.read_at(start, source.size - start)
    if tail.endswith(_TABLE_END) or TENSORFLOW.is_it(tail):
        yield _named(TENSORFLOW)
    yield _not("unknown bytes", content=Content.UNKNOWN)


def _is_all_zeros(source: Readable) -> bool:
    """To its end: raw numbers, pictures and sounds may well begin with some."""
    return all(
        is_zeros(source.read_at(start, min(_BLOCK_BYTES, source.size - start)))
        for start in range(0, source.size, _BLOCK_BYTES)
    )


def _explain_zip(archive: Archive) -> RnndiagError:
    names = list(archive.members)
    if not names:
        return _not("an empty zip archive", content=Content.ABSENT)
    for kind in PACKED:
        if any(re.fullmatch(kind.member, name) for name in names):
            return _named(kind)
    return not_a_checkpoint(f"a plain zip archive holding {listed(names)}", "unpack it first")
