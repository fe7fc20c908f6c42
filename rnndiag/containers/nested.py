"""Torch files inside other files: in the bytes of a pickle, or as members of an archive."""

from __future__ import annotations

from rnndiag.containers.candidate import Candidate
from rnndiag.containers.failures import refused
from rnndiag.containers.numpy_records import as_bytes, encoded_text
from rnndiag.containers.plain_pickle import PLAIN_PICKLE
from rnndiag.containers.readable import Memory, Readable
from rnndiag.containers.records import CallRecord, called
from rnndiag.containers.torch_legacy import LEGACY, is_legacy
from rnndiag.containers.torch_pickles import PickleFormat, TorchPickle
from rnndiag.containers.torch_storages import NestedRecord
from rnndiag.containers.torch_zip import ZIP
from rnndiag.containers.zip_archive import is_zip
from rnndiag.errors import RnndiagError

FORMATS = (ZIP, LEGACY, PLAIN_PICKLE)
"""Asked in this order; a plain pickle is what a trusting load would have run."""

MAX_NESTING = 4
"""Files within files; real ones have one level."""

_OPENING_WORK = 500
_MEMBER_WORK = 50
"""Of a file within a file and of each member of its archive, as a pickle's work is counted."""

_MAGIC_BYTES = 64

_LOADERS = frozenset(("torch.storage._load_from_bytes", "torch._C._load_from_bytes"))


def nested_bytes(call: CallRecord) -> bytes | str | None:
    """The bytes, or the text that encodes them, that a call would have loaded as a torch file.

    None for any other call.
    """
    if called(call) not in _LOADERS or len(call.arguments) != 1:
        return None
    raw = call.arguments[0]
    return raw if isinstance(raw, bytes) else encoded_text(raw)


def is_torch_bytes(record: object) -> bool:
    """Whether bytes, or the text that encodes them, start as a torch file does."""
    start: object = record if isinstance(record, bytes) else encoded_text(record)
    if isinstance(start, str):
        start = start[:_MAGIC_BYTES].encode("latin-1", "replace")
    return isinstance(start, bytes) and (is_zip(start) or is_legacy(start))


def open_bytes(record: object, pickle: TorchPickle) -> NestedRecord | str | None:
    """What bytes hold that nobody asked to load as a torch file: skorch pickles its modules so.

    As a text, why a file is not read that is damaged or over a limit; None for any other bytes.
    """
    try:
        return open_inner(Memory(as_bytes(record) or b""), pickle, (ZIP, LEGACY))
    except RnndiagError as error:
        return f"bytes that start as a torch file: {error.what}"


def open_nested(call: CallRecord, pickle: TorchPickle) -> NestedRecord | None:
    """What the bytes of such a call hold; None where they are no torch file."""
    return open_inner(Memory(as_bytes(call.arguments[0]) or b""), pickle)


def open_inner(
    source: Readable, pickle: TorchPickle, formats: tuple[PickleFormat, ...] = FORMATS
) -> NestedRecord | None:
    """What a run of bytes holds; None where it is no torch file. Raises RD003 to RD005.

    An archive in it must not be packed: torch never does that, and bombs multiply.
    """
    if pickle.depth > MAX_NESTING:
        raise refused(f"torch files are nested in it deeper than {MAX_NESTING} levels")
    candidate = Candidate.of(source)
    archive = candidate.archive
    pickle.budget.spend(_OPENING_WORK)
    if archive is not None:
        pickle.budget.spend(_MEMBER_WORK * len(archive.members))
        if not all(archive.is_stored(name) for name in archive.members):
            raise refused("it holds a packed archive inside of another file")
    for layout in formats:
        if layout.recognises(candidate):
            return layout.open(candidate, pickle)
    return None
