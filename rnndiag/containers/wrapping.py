"""What wraps a checkpoint: a file packed whole, or an archive of several files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rnndiag.containers.candidate import Candidate
from rnndiag.containers.failures import refused
from rnndiag.containers.readable import Readable
from rnndiag.containers.zip_archive import MAX_UNPACKED_PART_BYTES
from rnndiag.errors import RnndiagError, shortened

Members = dict[str, Readable]
"""By the name that the archive gives them, "" for the only content of a packed file. The names are
shown and never used as paths."""

_SHOWN = 5
_MAX_NAME = 200


@dataclass(slots=True)
class Room:
    """The memory left for what one file unpacks into, all its levels together."""

    left: int = MAX_UNPACKED_PART_BYTES

    def take(self, count: int, remedy: str) -> None:
        """Charge some bytes; raises RD004 where there is not so much left."""
        if count > self.left:
            raise self.too_little(remedy)
        self.left -= count

    def too_little(self, remedy: str) -> RnndiagError:
        """RD004 for what does not fit."""
        limit = f"{MAX_UNPACKED_PART_BYTES >> 20} MiB"
        return refused(f"it unpacks into more than {limit} of memory", remedy)


@dataclass(frozen=True)
class Wrapping:
    """A way to wrap files: how to know it by its content, and what is in it."""

    name: str
    recognises: Callable[[Candidate], bool]

    members: Callable[[Candidate, Room], Members]
    """Raises RnndiagError, and nothing else, for any bytes."""

    nothing: Callable[[Candidate], RnndiagError]
    """The error where none of the members is a checkpoint."""

    remedy: str
    """The command that unpacks it."""

    check: Callable[[Candidate], None] = lambda _: None
    """Raises RD004 for an archive whose members are not to be read; asked where one is meant, as
    what else stands in an archive of pictures is nobody's concern."""


def shown(name: str) -> str:
    """A member's name, readable whatever it holds."""
    return ascii(shortened(name, _MAX_NAME))[1:-1]


def listed(names: Sequence[str]) -> str:
    """The first few names."""
    return ", ".join(map(shown, names[:_SHOWN])) + (", …" if names[_SHOWN:] else "")
