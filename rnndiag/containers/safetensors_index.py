"""Sharded safetensors: a JSON index that says which file holds which tensor, or a folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath

from rnndiag.containers.candidate import Candidate, Container, Contents
from rnndiag.containers.checkpoint import Skipped, StoredTensor, Value
from rnndiag.containers.failures import damaged, refused
from rnndiag.containers.folders import INDEX_SUFFIX, is_there
from rnndiag.containers.json_text import json_object
from rnndiag.containers.safetensors import SAFETENSORS
from rnndiag.containers.source import Source
from rnndiag.errors import InputCode, RnndiagError

_MAX_INDEX_BYTES = 1 << 22
"""About fifty thousand tensors."""


def _recognises(candidate: Candidate) -> bool:
    is_file = isinstance(candidate.source, Source)
    return is_file and candidate.head.lstrip()[:1] == b"{" and b'"weight_map"' in candidate.head


def _read(candidate: Candidate) -> Contents:
    source = candidate.source
    if not isinstance(source, Source):
        raise refused("it is an index inside another file")
    shard_of = _shard_of(source)
    contents = read_shards(str(Path(source.path).parent), sorted(set(shard_of.values())))
    known = {*contents.tensors, *(item.name for item in contents.skipped)}
    for name, shard in shard_of.items():
        if name not in known or (
            name in contents.tensors and contents.tensors[name].identity[0] != shard
        ):
            raise damaged(f"tensor {name} is not in its shard {shard}")
    others = tuple(
        Skipped(name, "it is not in the index") for name in contents.tensors if name not in shard_of
    )
    tensors = {name: contents.tensors[name] for name in shard_of if name in contents.tensors}
    return replace(contents, tensors=tensors, skipped=(*contents.skipped, *others))


def shards_in(folder: str, names: Iterable[str]) -> set[str]:
    """Which of a folder's files belong to an index beside them.

    An index that cannot be read claims none: reading it by itself says what is wrong with it.
    """
    claimed: set[str] = set()
    for name in names:
        if name.endswith(INDEX_SUFFIX):
            try:
                with Source.open(str(Path(folder, name))) as source:
                    claimed.update(_shard_of(source).values())
            except RnndiagError:
                continue
    return claimed


def _shard_of(source: Source) -> dict[str, str]:
    """The file of every tensor, by the tensor's name."""
    if source.size > _MAX_INDEX_BYTES:
        raise refused(f"its index has {source.size} bytes")
    index = json_object(source.read_at(0, source.size), "its index")
    return _weight_map(index.get("weight_map"))


def _weight_map(found: object) -> dict[str, str]:
    if not isinstance(found, dict) or not found:
        raise damaged("its index maps no tensors to files")
    shard_of = {name: shard for name, shard in found.items() if isinstance(shard, str)}
    if len(shard_of) != len(found):
        raise damaged("its index maps a tensor to something that is no file")
    for shard in set(shard_of.values()):
        _require_inside(shard)
    return shard_of


def _require_inside(shard: str) -> None:
    """Raise RD004 for a name that leads out of the folder, on any system."""
    for path in (PurePosixPath(shard), PureWindowsPath(shard)):
        if path.is_absolute() or path.drive or path.root or ".." in path.parts:
            raise refused(f"its index points outside of its folder, to {shard}")
    if "\0" in shard or not PurePosixPath(shard).parts:
        raise refused("its index names a file that cannot exist")


def read_shards(folder: str, shards: Iterable[str]) -> Contents:
    """All tensors of these files; the first part of a tensor's identity is its shard.

    Raises RD003 for a shard that is missing or damaged, with its name, and RD004 where two hold a
    tensor of the same name.
    """
    tensors: dict[str, StoredTensor] = {}
    values: dict[str, Value] = {}
    skipped: list[Skipped] = []
    files = []
    for shard in shards:
        source, contents = _shard(folder, shard)
        for name, stored in contents.tensors.items():
            if name in tensors:
                raise refused(f"two shards hold a tensor {name}")
            tensors[name] = replace(stored, identity=(shard, *stored.identity))
        values |= contents.values
        skipped += contents.skipped
        files.append(source)
    return Contents(tensors, values, tuple(skipped), files=tuple(files))


def _shard(folder: str, shard: str) -> tuple[Source, Contents]:
    path = str(Path(folder, shard))
    if not is_there(path):
        raise damaged(f"its shard {shard} is missing")
    try:
        with Source.open(path) as source:
            candidate = Candidate.of(source)
            if not SAFETENSORS.recognises(candidate):
                raise damaged("it is no safetensors file")
            return source, SAFETENSORS.read(candidate)
    except RnndiagError as error:
        code = InputCode.DAMAGED if error.code is InputCode.CANNOT_OPEN else error.code
        raise RnndiagError(code, f"its shard {shard}: {error.what}", error.remedy) from None


SAFETENSORS_INDEX = Container("safetensors-index", _recognises, _read)
