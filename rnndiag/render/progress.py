"""The progress bar on stderr, for measurements that take longer than a moment."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import rich.progress

PATIENCE = 1.0
"""Seconds before a bar appears; most measurements are over by then."""


class Bar:
    """Shows itself on stderr once it is worth it, and leaves nothing behind."""

    def __init__(self, doing: str = "tracing gradients") -> None:
        self._doing = doing
        self._started = time.monotonic()
        self._total = 0
        self._done = 0
        self._shown: rich.progress.Progress | None = None

    def expect(self, steps: int) -> None:
        """More steps to come."""
        self._total += steps

    def advance(self, steps: int) -> None:
        """Steps that were done."""
        self._done += steps
        if self._shown is None and time.monotonic() - self._started > PATIENCE:
            self._shown = _started_bar(self._doing)
        if self._shown is not None:
            self._shown.update(self._shown.task_ids[0], total=self._total, completed=self._done)

    def close(self) -> None:
        """Take the bar off the screen."""
        if self._shown is not None:
            self._shown.stop()


def _started_bar(doing: str) -> rich.progress.Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn

    shown = Progress(
        doing,
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    shown.add_task("")
    shown.start()
    return shown
