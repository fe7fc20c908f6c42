"""A text that an option names, read whole."""

from __future__ import annotations

from pathlib import Path

from rnndiag.errors import InputCode, RnndiagError, reason

LARGEST = 64 * 2**20
"""Bytes that are read: several million lines, more than anybody logs or accepts."""


def read_text(path: str, option: str, remedy: str) -> str:
    """The text of a file; raises RnndiagError (RD007) that names the option for what is none."""
    try:
        with Path(path).open("rb") as file:
            raw = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        raise _bad(f"{option} {path} cannot be read: {reason(error)}", remedy) from error
    if len(raw) > LARGEST:
        raise _bad(f"{option} {path} has more than {LARGEST // 2**20} MB", remedy)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _bad(f"{option} {path} is no text", remedy) from error


def _bad(what: str, remedy: str) -> RnndiagError:
    return RnndiagError(InputCode.USAGE, what, remedy)
