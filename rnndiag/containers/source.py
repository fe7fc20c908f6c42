"""One regular file, opened without hanging and read in small bounded pieces."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from io import FileIO
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from rnndiag.containers.failures import cannot_open, damaged, empty, out_of_memory, truncated
from rnndiag.containers.readable import Readable
from rnndiag.errors import RnndiagError, reason
from rnndiag.paths import is_url, nearest_file

_KINDS = (
    (stat.S_ISDIR, "it is a directory", "name a file in it"),
    (stat.S_ISFIFO, "it is a named pipe", "save its contents to a file first"),
    (stat.S_ISSOCK, "it is a socket", "name a checkpoint file"),
    (stat.S_ISCHR, "it is a device", "name a checkpoint file"),
    (stat.S_ISBLK, "it is a device", "name a checkpoint file"),
)


def special_kind(path: str) -> str | None:
    """What stands there if it is neither a regular file nor something that cannot be reached."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 (a hostile path need not survive Path())
    except (OSError, ValueError):
        return None
    kinds = (what for is_kind, what, _ in _KINDS if is_kind(mode))
    return next((what.removeprefix("it is ") for what in kinds), None)


@dataclass
class Source(Readable):
    """A file's identity, and reads from it. Reopens on demand, so that none stays open."""

    path: str
    status: os.stat_result
    _handle: FileIO | None = field(default=None, repr=False)
    keeps_open: bool = False

    @classmethod
    def open(cls, path: str) -> Self:
        """Look at the path before opening it; raises RD001 for anything but a regular file."""
        try:
            status = os.stat(path)  # noqa: PTH116 (a hostile path need not survive Path())
        except (OSError, ValueError) as error:
            raise _open_failure(path, error) from None
        for is_kind, what, remedy in _KINDS:
            if is_kind(status.st_mode):
                raise cannot_open(what, remedy)
        if status.st_size == 0:
            raise empty()
        return cls(path, status)

    @classmethod
    def of_handle(cls, path: str, handle: FileIO) -> Self:
        """A file that is open already and stays so; `path` only names it."""
        status = os.fstat(handle.fileno())
        if status.st_size == 0:
            raise empty()
        return cls(path, status, handle, keeps_open=True)

    @property
    def name(self) -> str:
        """Without its folder."""
        return os.path.basename(self.path)  # noqa: PTH119 (a hostile path need not survive Path())

    @property
    def size(self) -> int:
        """Bytes in the file when it was first looked at."""
        return self.status.st_size

    def __enter__(self) -> Self:
        """Keep one handle open for the reads in the block."""
        if not self.keeps_open:
            self._handle = self._opened()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the handle; later reads open their own."""
        if self._handle is not None and not self.keeps_open:
            self._handle.close()
            self._handle = None

    def array_at(self, start: int, count: int) -> npt.NDArray[np.uint8]:
        """Exactly `count` bytes from `start`; raises RD003 when they are not all there."""
        if start < 0 or count < 0 or start + count > self.size:
            raise truncated()
        try:
            values = np.empty(count, np.uint8)
        except MemoryError:
            raise out_of_memory(count) from None
        if self._handle is not None:
            _fill(self._handle, start, values, self.size)
            return values
        with self._opened() as handle:
            _fill(handle, start, values, self.size)
        return values

    def _opened(self) -> FileIO:
        try:
            handle = FileIO(self.path, opener=_open_without_waiting)
        except (OSError, ValueError) as error:
            raise _open_failure(self.path, error) from None
        now = os.fstat(handle.fileno())
        if _identity(now) != _identity(self.status):
            handle.close()
            raise _changed()
        return handle


def _identity(status: os.stat_result) -> tuple[int, int, int, int, int]:
    return (
        stat.S_IFMT(status.st_mode),
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
    )


def _open_without_waiting(path: str, flags: int) -> int:
    """Opening a FIFO that replaced the file a moment ago must not wait for a writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _fill(handle: FileIO, start: int, values: npt.NDArray[np.uint8], size: int) -> None:
    try:
        if os.fstat(handle.fileno()).st_size != size:
            raise _changed()
        handle.seek(start)
        rest = values.data
        while rest:
            count = handle.readinto(rest)
            if not count:
                raise _changed()
            rest = rest[count:]
    except OSError as error:
        raise cannot_open(f"it cannot be read ({reason(error)})", "check the disk") from None


def _changed() -> Exception:
    return damaged("the file changed while being read")


def _open_failure(path: str, error: OSError | ValueError) -> Exception:
    if isinstance(error, FileNotFoundError):
        if os.path.islink(path):  # noqa: PTH114 (a hostile path need not survive Path())
            return cannot_open("a link to a file that is not there", "fetch it, or remove the link")
        return no_such_file(path)
    if isinstance(error, PermissionError):
        return cannot_open("no permission to read it", "change its mode or run as its owner")
    return cannot_open(f"it cannot be opened ({reason(error)})", "check the path")


def no_such_file(path: str, what: str = "no such file") -> RnndiagError:
    """RD001 for a path that leads nowhere, with the name that may have been meant."""
    if is_url(path):
        return cannot_open("a URL, and those are not read", "download it and name the copy")
    near = nearest_file(path)
    return cannot_open(what, "check the path" if near is None else f"did you mean {near}?")
