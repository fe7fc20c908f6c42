"""Gradient diagnostics for trained PyTorch RNN checkpoints, from the file alone.

The functions here give the same results as the command line, as frozen dataclasses. They are loaded
when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rnndiag._version import __version__

if TYPE_CHECKING:
    from rnndiag.api import check, inspect, spectrum, suggest, trace
    from rnndiag.capturing import capture
    from rnndiag.containers import read

__all__ = ["__version__", "capture", "check", "inspect", "read", "spectrum", "suggest", "trace"]

_HOMES = {
    "capture": "rnndiag.capturing",
    "read": "rnndiag.containers",
    **dict.fromkeys(("inspect", "spectrum", "trace", "suggest", "check"), "rnndiag.api"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'rnndiag' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
