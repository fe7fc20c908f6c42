"""Write a file completely or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from rnndiag.errors import cannot_write


def write_whole(path: str | Path, pieces: Iterable[bytes], remedy: str) -> None:
    """All of the pieces or nothing: written beside the target, then renamed.

    A link is followed; a pipe or device (/dev/null) is written to, never replaced. Raises
    RnndiagError (RD008) with the remedy where the file cannot be written.
    """
    try:
        target = Path(path)
        # Before it is resolved: /dev/stdout leads to a pipe, whose own name leads nowhere.
        if target.exists() and not target.is_file():
            _write(target, "wb", pieces)
        else:
            _replace(target.resolve(), pieces)
    except OSError as error:
        raise cannot_write(path, error, remedy) from error


def _replace(target: Path, pieces: Iterable[bytes]) -> None:
    # Not a private temporary file: this one has the permissions that any new file gets. A number of
    # its own, because in a container every process may be number 1, and one may have been killed.
    beside = target.with_name(f".{target.name}.{os.urandom(4).hex()}")
    try:
        _write(beside, "xb", pieces)
        beside.replace(target)
    finally:
        with contextlib.suppress(FileNotFoundError):  # which it is once it has been renamed
            beside.unlink()


def _write(path: Path, mode: str, pieces: Iterable[bytes]) -> None:
    with path.open(mode) as file:
        file.writelines(pieces)
