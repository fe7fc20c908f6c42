"""How a file is named in a report: from where the command was run, on no particular machine."""

from __future__ import annotations

import os


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
