"""The checksum of a whole file, read in blocks."""

from __future__ import annotations

from rnndiag.containers.readable import Readable

_BLOCK_BYTES = 1 << 20


def sha256(readable: Readable) -> str:
    """In hexadecimal, as `sha256sum` prints it."""
    import hashlib

    digest = hashlib.sha256()
    for start in range(0, readable.size, _BLOCK_BYTES):
        digest.update(readable.read_at(start, min(_BLOCK_BYTES, readable.size - start)))
    return digest.hexdigest()
