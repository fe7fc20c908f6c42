"""From a file to a Checkpoint: the only code that opens files."""

from __future__ import annotations

from dataclasses import replace

from rnndiag.containers.candidate import Candidate, Container, Contents
from rnndiag.containers.checkpoint import Checkpoint, Skipped
from rnndiag.containers.checksum import sha256
from rnndiag.containers.failures import refused
from rnndiag.containers.folders import in_folder, is_folder
from rnndiag.containers.npz import NPZ
from rnndiag.containers.plain_pickle import PICKLE
from rnndiag.containers.safetensors import SAFETENSORS
from rnndiag.containers.safetensors_index import SAFETENSORS_INDEX, read_shards
from rnndiag.containers.sb3_zip import SB3_ZIP
from rnndiag.containers.source import Source
from rnndiag.containers.standard_input import NAME as STANDARD_INPUT
from rnndiag.containers.standard_input import spooled
from rnndiag.containers.torch_legacy import TORCH_LEGACY
from rnndiag.containers.torch_tar import TORCH_TAR
from rnndiag.containers.torch_zip import TORCH_ZIP
from rnndiag.containers.torchscript import TORCHSCRIPT
from rnndiag.errors import shortened

CONTAINERS: tuple[Container, ...] = (
    TORCH_ZIP,
    TORCHSCRIPT,
    SB3_ZIP,
    NPZ,
    TORCH_LEGACY,
    TORCH_TAR,
    SAFETENSORS,
    SAFETENSORS_INDEX,
    PICKLE,
)
"""The formats that are read, asked in this order. A new one is one file and one entry here. What
may wrap such a file stands in `unwrapping`."""

MAX_NAME = 1000
"""Characters of a tensor's name; real ones have about a hundred."""

_FREE_NUMBERS = 1 << 27
_MAX_NUMBERS_PER_BYTE = 20
"""Of all tensors together, each view counted once. Files have at most one a byte, or 20 where a zip
packs buffers of zeros; a few expanded masks are free."""

_SHOWN_NAME = 200
"""Characters kept of the name of something that is left out."""


def read(path: str, verify: bool = False) -> Checkpoint:
    """Read a checkpoint without running anything in it. The format is told by its content.

    "-" is standard input; a folder stands for the sharded safetensors in it. Tensors keep nothing
    but their description until `StoredTensor.load` is called, which reopens the file and raises
    RD003 if it has changed. `verify` compares the checksums of an archive's members, and computes
    the file's own.

    Raises RnndiagError: RD001 the path leads to no regular file; RD002 no checkpoint; RD003 damaged
    or truncated; RD004 unsafe or over a limit; RD005 a format that is known and not read.
    """
    if is_folder(path):
        return _read_folder(path, verify)
    with spooled() if path == STANDARD_INPUT else Source.open(path) as source:
        return _read_source(path, source, verify)


def _read_folder(path: str, verify: bool) -> Checkpoint:
    index, shards = in_folder(path)
    if index is not None:
        with Source.open(index) as source:
            return _read_source(path, source, verify)
    contents = read_shards(path, shards)
    return _checkpoint(path, SAFETENSORS_INDEX.name, contents, None, verify)


def _read_source(path: str, source: Source, verify: bool) -> Checkpoint:
    candidate = Candidate.of(source)
    if verify and candidate.archive is not None:
        candidate.archive.verify()
    for container in CONTAINERS:
        if container.recognises(candidate):
            return _checkpoint(path, container.name, container.read(candidate), source, verify)
    # Only for the few files that are wrapped: starting up would take a hundredth longer.
    from rnndiag.containers.unwrapping import Unwrapper

    found = Unwrapper(CONTAINERS).unwrap(candidate, verify)
    checkpoint = _checkpoint(path, found.name, found.read(), source, verify)
    return replace(checkpoint, notes=(*found.notes, *checkpoint.notes))


def _checkpoint(
    path: str, container: str, contents: Contents, source: Source | None, verify: bool
) -> Checkpoint:
    """`source` is None for a folder, whose files all are the contents' own."""
    contents = _with_short_names(contents)
    size = sum(file.size for file in contents.files) + (source.size if source else 0)
    _check_repetition(contents, size)
    notes = [
        f"{name} {stored.remark}" for name, stored in contents.tensors.items() if stored.remark
    ]
    if verify:
        notes += [f"{file.name} has the sha256 {sha256(file)}" for file in contents.files]
    return Checkpoint(
        path,
        container,
        size,
        contents.tensors,
        contents.values,
        contents.would_import,
        contents.skipped,
        tuple(notes),
        sha256(source) if verify and source else None,
        contents.made_of,
    )


def _check_repetition(contents: Contents, size: int) -> None:
    """Raise RD004 where many tensors are views of the same few numbers."""
    distinct = {stored.identity: stored.size for stored in contents.tensors.values()}
    numbers = sum(distinct.values())
    if numbers > max(_FREE_NUMBERS, _MAX_NUMBERS_PER_BYTE * size):
        raise refused(f"its tensors repeat {size} bytes into {numbers} numbers")


def _with_short_names(contents: Contents) -> Contents:
    """The contents without tensors whose names nobody could read, which are skipped."""
    skipped = [
        Skipped(name, f"its name has {len(name)} characters")
        for name in contents.tensors
        if len(name) > MAX_NAME
    ]
    left_out = [*contents.skipped, *skipped]
    return replace(
        contents,
        tensors={name: found for name, found in contents.tensors.items() if len(name) <= MAX_NAME},
        skipped=tuple(Skipped(shortened(item.name, _SHOWN_NAME), item.reason) for item in left_out),
    )
