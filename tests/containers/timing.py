"""What any file may take. The processor's time: a busy machine must not fail a build."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rnndiag.containers import read
from rnndiag.errors import RnndiagError

SECONDS = 5.0


@contextmanager
def in_time(seconds: float = SECONDS) -> Iterator[None]:
    """Fail if what is done inside takes longer."""
    started = time.process_time()
    yield
    assert time.process_time() - started < seconds


def refused_in_time(path: str, seconds: float = SECONDS) -> RnndiagError | None:
    """The error of reading a file, None if it is read."""
    with in_time(seconds):
        try:
            read(path)
        except RnndiagError as error:
            return error
    return None
