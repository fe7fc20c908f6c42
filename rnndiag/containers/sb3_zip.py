"""stable-baselines3: a zip of torch files, and the algorithm's settings as JSON."""

from __future__ import annotations

from rnndiag.containers.candidate import Candidate
from rnndiag.containers.failures import refused, reworded
from rnndiag.containers.json_text import json_object
from rnndiag.containers.nested import open_inner
from rnndiag.containers.records import PLAIN, DictRecord, NothingRecord
from rnndiag.containers.text import printable
from rnndiag.containers.torch_pickles import PickleFormat, TorchPickle
from rnndiag.containers.torch_storages import NestedRecord, NoStorages
from rnndiag.containers.torch_zip import only_archive
from rnndiag.containers.zip_archive import MAX_UNPACKED_PART_BYTES, Archive
from rnndiag.errors import RnndiagError

_SETTINGS = "data"

_MAX_SETTINGS_BYTES = 1 << 23
"""Observations of the last step may stand among the settings; real ones are some kilobytes. As
Python objects this much takes seconds and 300 MB."""

_MAX_FILES = 32
"""Policies, optimizers, variables: real ones have three to six."""


def _torch_files(archive: Archive) -> list[str]:
    return [name for name in archive.members if name.endswith(".pth")]


def _recognises(candidate: Candidate) -> bool:
    archive = candidate.archive
    return archive is not None and _SETTINGS in archive.members and bool(_torch_files(archive))


def _open(candidate: Candidate, pickle: TorchPickle) -> NestedRecord:
    archive = only_archive(candidate)
    names = _torch_files(archive)
    if len(names) > _MAX_FILES:
        raise refused(f"it holds {len(names)} torch files, more than any agent has")
    packed = sum(archive.size(name) for name in names if not archive.is_stored(name))
    if packed > MAX_UNPACKED_PART_BYTES:  # all of them stay in memory
        raise refused(f"its torch files unpack into {packed} bytes")
    found: list[tuple[object, object]] = []
    for name in names:
        found.append((printable(name), _inner(archive, name, pickle.inner())))
    found.append(("sb3", _settings(archive)))
    return NestedRecord(DictRecord(found), NoStorages())


def _inner(archive: Archive, name: str, pickle: TorchPickle) -> object:
    """A torch file in the archive; a member that is none leaves no trace."""
    try:
        return open_inner(archive.part(name), pickle) or NothingRecord()
    except RnndiagError as error:
        raise reworded(error, f"{printable(name)}: {error.what}") from None


def _settings(archive: Archive) -> DictRecord:
    """Plain values only. Everything else is a base64 pickle, which is never decoded."""
    size = archive.size(_SETTINGS)
    if size > _MAX_SETTINGS_BYTES:
        raise refused(f"its settings have {size} bytes")
    raw = archive.read(_SETTINGS, 0, size).tobytes()
    pairs: list[tuple[object, object]] = []
    for name, value in json_object(raw, "its settings").items():
        # Of a class, where it comes from.
        found = value.get("__module__", NothingRecord()) if isinstance(value, dict) else value
        if isinstance(found, PLAIN):
            pairs.append((name, printable(found) if isinstance(found, str) else found))
    return DictRecord(pairs)


SB3_ZIP = PickleFormat(_recognises, _open).container("sb3-zip")
