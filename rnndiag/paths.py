"""How a file is named in a report; whether two names are one file, or a pattern means it."""

from __future__ import annotations

import difflib
import os
import re
from fnmatch import fnmatchcase
from pathlib import PurePath

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
"""A scheme of two letters or more: one letter is a drive."""

_COMPARED = 5000
"""Names of a folder that are compared with a mistyped one."""


def is_url(path: str) -> bool:
    """Whether a path is a URL, which is no place in the file system.

    >>> is_url("s3://bucket/model.pt"), is_url("models/model.pt"), is_url("C:/model.pt")
    (True, False, False)
    """
    return _URL.match(path) is not None


def nearest_file(path: str) -> str | None:
    """The file in the same folder whose name is most like a mistyped one; None if none is."""
    folder, name = os.path.split(path)
    try:
        with os.scandir(folder or ".") as entries:
            names = [entry.name for entry, _ in zip(entries, range(_COMPARED), strict=False)]
    except (OSError, ValueError):
        return None
    by_small = {name.lower(): name for name in sorted(names, reverse=True)}
    near = difflib.get_close_matches(name.lower(), by_small, n=1, cutoff=0.7)
    return os.path.join(folder, by_small[near[0]]) if near else None  # noqa: PTH118 (a hostile path need not survive Path())


def shown_path(path: str) -> str:
    """The path relative to the working directory where it lies below it, else as it was given.

    A report read elsewhere then names the same file, and no folder of this machine. What was given
    as a relative path stays one; "-", "" and a URL are no paths.

    >>> shown_path("./models//a.pt"), shown_path(os.path.join(os.getcwd(), "a.pt"))
    ('models/a.pt', 'a.pt')
    >>> shown_path("../a.pt"), shown_path("/elsewhere/a.pt"), shown_path("-"), shown_path("")
    ('../a.pt', '/elsewhere/a.pt', '-', '')
    >>> shown_path("s3://bucket/a.pt")
    's3://bucket/a.pt'
    """
    if not path or is_url(path):
        return path
    normal = os.path.normpath(path)
    below = os.path.join(os.getcwd(), "")  # noqa: PTH109, PTH118 (a hostile path need not survive Path())
    return normal.removeprefix(below) if os.path.isabs(normal) else normal  # noqa: PTH117 (the same)


def matches(path: str, pattern: str, folder: str) -> bool:
    """Whether a configured glob means a file: by its path below the folder, or by its name.

    >>> matches("runs/a.pt", "runs/*", "."), matches("runs/a.pt", "a.pt", ".")
    (True, True)
    """
    name = PurePath(os.path.relpath(path or ".", folder))
    return fnmatchcase(name.as_posix(), pattern) or fnmatchcase(name.name, pattern)


def identity(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """The same for two names of one file; None where nothing can be reached."""
    try:
        status = os.stat(path)  # noqa: PTH116 (a hostile path need not survive Path())
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
