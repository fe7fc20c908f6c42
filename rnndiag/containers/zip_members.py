"""A plain zip: the files in it, each in place or unpacked into memory when it is looked into."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rnndiag.containers.candidate import Candidate
from rnndiag.containers.impostors import explain
from rnndiag.containers.readable import HEAD_BYTES, Readable
from rnndiag.containers.wrapping import Members, Room, Wrapping
from rnndiag.containers.zip_archive import Archive
from rnndiag.errors import InputCode

REMEDY = "unpack it first: unzip"


@dataclass
class _Packed(Readable):
    """A packed member; the whole of it is unpacked when more than its start is asked for."""

    archive: Archive
    name: str
    room: Room
    _whole: Readable | None = field(default=None, repr=False)

    @property
    def size(self) -> int:
        """Bytes once unpacked."""
        return self.archive.size(self.name)

    def head(self) -> bytes:
        """The first bytes, at most HEAD_BYTES."""
        return self.archive.start(self.name, HEAD_BYTES)

    def array_at(self, start: int, count: int) -> npt.NDArray[np.uint8]:
        """See Readable."""
        if self._whole is None:
            self.room.take(self.size, REMEDY)
            self._whole = self.archive.part(self.name)
        return self._whole.array_at(start, count)


def _recognises(candidate: Candidate) -> bool:
    """A zip that is not known as another program's format, torch.package's among them."""
    archive = candidate.archive
    return (
        archive is not None
        and bool(archive.members)
        and explain(candidate).code is not InputCode.UNSUPPORTED
    )


def _members(candidate: Candidate, room: Room) -> Members:
    archive = candidate.archive
    if archive is None:
        return {}
    return {
        name: archive.part(name) if archive.is_stored(name) else _Packed(archive, name, room)
        for name in archive.members
        if archive.size(name)
    }


PLAIN_ZIP = Wrapping("zip", _recognises, _members, explain, REMEDY)
