"""A file that an option names, read whole: bounded, and without waiting for what is no file."""

from __future__ import annotations

import os
import stat
from io import BufferedReader, FileIO

from rnndiag.containers.source import special_kind
from rnndiag.errors import InputCode, RnndiagError, reason

LARGEST = 64 * 2**20
"""Bytes that are read: several million lines, more than anybody logs or accepts."""


def read_bytes(path: str, option: str, remedy: str) -> bytes:
    """The bytes of a regular file; raises RnndiagError (RD007) that names the option."""
    try:
        # A named pipe opens at once, too, and is then seen to be one.
        with BufferedReader(FileIO(path, opener=_without_waiting)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                kind = special_kind(path) or "not a file"
                raise _bad(f"{option} {path} is {kind}", "save its contents to a file first")
            raw = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        raise _bad(f"{option} {path} cannot be read: {reason(error)}", remedy) from error
    if len(raw) > LARGEST:
        raise _bad(f"{option} {path} has more than {LARGEST // 2**20} MB", remedy)
    return raw


def read_text(path: str, option: str, remedy: str) -> str:
    """The text of a file in UTF-8; raises RnndiagError (RD007) that names the option."""
    raw = read_bytes(path, option, remedy)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _bad(f"{option} {path} is no text", remedy) from error


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _bad(what: str, remedy: str) -> RnndiagError:
    return RnndiagError(InputCode.USAGE, what, remedy)
