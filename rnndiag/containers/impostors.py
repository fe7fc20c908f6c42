"""What a file is when no container reads it, and what to do about it."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from dataclasses import dataclass

from rnndiag.containers.candidate import Candidate
from rnndiag.containers.failures import not_a_checkpoint, truncated, unsupported
from rnndiag.containers.zip_archive import Archive
from rnndiag.errors import RnndiagError

_LATER = "save its state_dict with torch.save"
_DOWNLOAD = "download the file itself"
_NAME_A_CHECKPOINT = "name a file that torch.save or safetensors wrote"


@dataclass(frozen=True)
class Impostor:
    """A kind of file, known by its first bytes."""

    is_it: Callable[[bytes], bool]
    failure: RnndiagError


def _starts(*magics: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(magics)


def _starts_text(*words: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(words)


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


def _is_onnx(head: bytes) -> bool:
    """A protobuf whose first field is a version, and then the name of an exporter."""
    return head[:1] == b"\x08" and any(
        word in head.lower() for word in (b"onnx", b"pytorch", b"keras", b"skl2")
    )


def _is_cut_legacy(head: bytes) -> bool:
    return b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.".startswith(head)


def _not(what: str, remedy: str = _NAME_A_CHECKPOINT) -> RnndiagError:
    return not_a_checkpoint(f"{what}, not a checkpoint", remedy)


def _packed(name: str, command: str) -> RnndiagError:
    """Packed in a way that is not unpacked here; joblib and others may have written it."""
    return _not(f"a {name} archive", f"decompress it first: {command}")


def _format(what: str, remedy: str = _LATER) -> RnndiagError:
    return unsupported(what, remedy)


IMPOSTORS = (
    Impostor(_is_cut_legacy, truncated()),
    Impostor(
        _starts(b"version https://git-lfs"),
        _not("a git-lfs pointer", "run `git lfs pull`"),
    ),
    Impostor(_starts_text(b"<!doctype html", b"<html", b"<head"), _not("a web page", _DOWNLOAD)),
    Impostor(_starts_text(b"<?xml", b"<error"), _not("an XML error reply", _DOWNLOAD)),
    Impostor(_starts_text(b"{", b"[{", b'["'), _not("a JSON text or error reply", _DOWNLOAD)),
    Impostor(_starts(b"\x28\xb5\x2f\xfd"), _packed("zstandard", "unzstd")),
    Impostor(_starts(b"\x04\x22\x4d\x18"), _packed("lz4", "unlz4")),
    Impostor(_starts(b"7z\xbc\xaf", b"Rar!"), _not("an archive", "unpack it first")),
    Impostor(_starts(b"GGUF"), _format("a GGUF file: not supported")),
    Impostor(_starts(b"\x89HDF\r\n\x1a\n"), _format("a Keras HDF5 file: not supported")),
    Impostor(_starts(b"\x93NUMPY"), _format("a single numpy array: not supported")),
    Impostor(
        _is_onnx,
        _format("an ONNX model: not supported"),
    ),
    Impostor(is_text, _not("a text file")),
    Impostor(
        lambda head: b"tensorflow" in head.lower() or b"_CHECKPOINTABLE_OBJECT_GRAPH" in head,
        _format("a TensorFlow checkpoint: not supported"),
    ),
    Impostor(is_zeros, _not("a file of zeros", _DOWNLOAD)),
)
"""In order; the first that fits is named."""


def explain(candidate: Candidate) -> RnndiagError:
    """The error for a file that no container recognises."""
    if candidate.archive is not None:
        return _explain_zip(candidate.archive)
    for impostor in IMPOSTORS:
        if impostor.is_it(candidate.head):
            return impostor.failure
    return _not("unknown bytes")


def _explain_zip(archive: Archive) -> RnndiagError:
    names = list(archive.members)
    if not names:
        return _not("an empty zip archive")
    if any(name.endswith("/archive_format") or name == "archive_format" for name in names):
        return _format("a .pt2 exported program: not supported")
    shown = ", ".join(ascii(name)[1:-1] for name in names[:5]) + (", …" if names[5:] else "")
    return not_a_checkpoint(f"a plain zip archive holding {shown}", "unpack it first")
