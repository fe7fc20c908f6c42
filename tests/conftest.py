"""What several test folders share: where the real files lie, and torch's own modules as oracles."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Before numpy or torch is imported: matrices here are small, and a thread pool in each of several
# test processes makes them wait for one another.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real checkpoints and known answers beside the repository."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("the folder ../shared with real checkpoints is not here")
    return folder
