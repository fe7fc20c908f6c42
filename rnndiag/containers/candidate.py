"""What every container format is shown: the file, its first bytes, its directory if it is a zip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rnndiag.containers.checkpoint import Skipped, StoredTensor, Value
from rnndiag.containers.readable import Readable
from rnndiag.containers.source import Source
from rnndiag.containers.zip_archive import Archive, is_zip, open_archive


@dataclass(frozen=True)
class Candidate:
    """A file that may be a checkpoint."""

    source: Readable
    head: bytes
    archive: Archive | None

    @classmethod
    def of(cls, source: Readable) -> Candidate:
        """Raises RD003 for a zip without a directory, RD004 for one with a misleading one."""
        head = source.head()
        return cls(source, head, open_archive(source) if is_zip(head) else None)


@dataclass(frozen=True)
class Contents:
    """What a container holds."""

    tensors: dict[str, StoredTensor]
    values: dict[str, Value]
    skipped: tuple[Skipped, ...] = ()
    would_import: tuple[str, ...] = ()

    files: tuple[Source, ...] = ()
    """Further files that were read: the shards of an index."""

    made_of: str = ""
    """See Checkpoint."""

    @classmethod
    def of(cls, found: dict[str, StoredTensor | Skipped], values: dict[str, Value]) -> Contents:
        """Of arrays by name, some of which are not read."""
        return cls(
            {name: array for name, array in found.items() if isinstance(array, StoredTensor)},
            values,
            tuple(array for array in found.values() if isinstance(array, Skipped)),
        )


@dataclass(frozen=True)
class Container:
    """A container format: how to know it by its content, and how to read it."""

    name: str
    recognises: Callable[[Candidate], bool]

    read: Callable[[Candidate], Contents]
    """Raises RnndiagError, and nothing else, for any bytes."""
