"""Standard input as a checkpoint: copied to a temporary file that has no name."""

from __future__ import annotations

import os
import sys
import weakref
from io import FileIO
from typing import IO, BinaryIO

from rnndiag.containers.failures import cannot_open, refused
from rnndiag.containers.source import Source

NAME = "-"

MAX_BYTES = 1 << 31
_BLOCK_BYTES = 1 << 20


def spooled() -> Source:
    """Everything that standard input holds. The file is gone when the process ends, or before.

    Raises RD001 where nothing can be read, RD003 for nothing and RD004 beyond MAX_BYTES.
    """
    import tempfile

    try:
        with tempfile.TemporaryFile(buffering=0) as spool:
            _copy(sys.stdin.buffer, spool)
            descriptor = os.dup(spool.fileno())
    except (OSError, ValueError, AttributeError):
        raise cannot_open("standard input cannot be copied", "save it to a file first") from None
    handle = FileIO(descriptor, closefd=False)
    # It stays open as long as any tensor may still be read from it.
    weakref.finalize(handle, os.close, descriptor)
    return Source.of_handle(NAME, handle)


def _copy(origin: BinaryIO, spool: IO[bytes]) -> None:
    length = 0
    while block := origin.read(_BLOCK_BYTES):
        length += len(block)
        if length > MAX_BYTES:
            raise refused(f"standard input holds more than {MAX_BYTES} bytes", "name a file")
        spool.write(block)
