"""Standard input as a checkpoint: copied to a temporary file that has no name."""

from __future__ import annotations

import sys
import tempfile

from rnndiag.containers.failures import cannot_open, refused
from rnndiag.containers.source import Source

NAME = "-"

MAX_BYTES = 1 << 31
_BLOCK_BYTES = 1 << 20


def spooled() -> Source:
    """Everything that standard input holds. The file is gone when the process ends, or before.

    Raises RD001 where nothing can be read, RD003 for nothing and RD004 beyond MAX_BYTES.
    """
    try:
        handle = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (lives as long as its tensors)
        length = 0
        while block := sys.stdin.buffer.read(_BLOCK_BYTES):
            length += len(block)
            if length > MAX_BYTES:
                handle.close()
                raise refused(f"standard input holds more than {MAX_BYTES} bytes", "name a file")
            handle.write(block)
    except (OSError, ValueError, AttributeError):
        raise cannot_open("standard input cannot be copied", "save it to a file first") from None
    return Source.of_handle(NAME, handle)
