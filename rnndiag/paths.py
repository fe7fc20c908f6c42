"""How a file is named in a report; whether two names are one file, or a pattern means it."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import PurePath


def shown_path(path: str) -> str:
    """The path relative to the working directory where it lies below it, else as it was given.

    A report read elsewhere then names the same file, and no folder of this machine. What was given
    as a relative path stays one; "-" and "" are no paths.

    >>> shown_path("./models//a.pt"), shown_path(os.path.join(os.getcwd(), "a.pt"))
    ('models/a.pt', 'a.pt')
    >>> shown_path("../a.pt"), shown_path("/elsewhere/a.pt"), shown_path("-"), shown_path("")
    ('../a.pt', '/elsewhere/a.pt', '-', '')
    """
    if not path:
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
