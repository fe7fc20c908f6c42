"""What a configuration says of tasks: how long their sequences are, how far back they remember."""

from __future__ import annotations

from dataclasses import dataclass

from rnndiag.paths import matches


@dataclass(frozen=True)
class TaskLengths:
    """Of the networks in some files."""

    seq_len: int | None = None
    """Steps of a sequence; None: nobody said."""

    memory: int | None = None
    """Steps back that a gradient has to reach; None: nobody said."""

    def or_else(self, other: TaskLengths) -> TaskLengths:
        """The same, with another's where this says nothing."""
        return TaskLengths(
            other.seq_len if self.seq_len is None else self.seq_len,
            other.memory if self.memory is None else self.memory,
        )


@dataclass(frozen=True)
class ConfiguredLengths:
    """Those of a whole project: 30 models may have 30 lengths."""

    everywhere: TaskLengths = TaskLengths()

    by_path: tuple[tuple[str, TaskLengths], ...] = ()
    """Globs on a file's path or name, and what holds there; of several that match, the last."""

    folder: str = "."
    """What the globs' paths are relative to."""

    def of(self, path: str) -> TaskLengths:
        """What holds for one file.

        >>> daily = ("daily/*", TaskLengths(seq_len=365))
        >>> lengths = ConfiguredLengths(TaskLengths(100, memory=30), (daily,))
        >>> lengths.of("daily/a.pt"), lengths.of("hourly/a.pt").seq_len
        (TaskLengths(seq_len=365, memory=30), 100)
        """
        found = TaskLengths()
        for pattern, lengths in reversed(self.by_path):
            if matches(path, pattern, self.folder):
                found = found.or_else(lengths)
        return found.or_else(self.everywhere)
