"""One network to train: everything that its weights depend on, as data."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, fields
from typing import Literal

EDITION = 1
"""Goes up with every change of a task or of training, so that no old network is taken for new."""

Cell = Literal["rnn", "relu", "gru", "lstm"]
Front = Literal["", "linear", "norm"]
Start = Literal["torch", "gauss", "orthogonal", "identity"]
Optimizer = Literal["adam", "adamw", "rmsprop", "adagrad", "sgd"]
Saved = Literal["pair", "training", "lightning", "bare"]


@dataclass(frozen=True)
class Recipe:
    """A row of the table."""

    group: str
    task: str
    """A name in trials.tasks.TASKS."""

    cell: Cell
    options: tuple[tuple[str, float | str], ...] = ()
    """Of the task."""

    hidden: int = 48
    layers: int = 1
    steps: int = 60
    """Length T of a sequence."""

    updates: int = 300
    rate: float = 3e-3
    optimizer: Optimizer = "adam"
    clip: float | None = 1.0
    start: Start = "torch"
    """How W_hh begins, each gate's block by itself. gauss: N(0, gain²/H); the last two: gain times
    an orthogonal matrix, or the identity; torch: as the module makes it."""

    gain: float = 1.0
    input_gain: float = 1.0
    """Factor on the first W_ih as the module draws it, for inputs in other units."""

    front: Front = ""
    """What lies before the recurrence: a linear layer with ReLU, or a batch normalisation."""

    tied: bool = False
    """Whether the readout's weights are the embedding's."""

    saved: Saved = "pair"
    """model and optimizer; those with epoch and loss; as Lightning does; the bare state dict."""

    repeat: int = 0
    """Tells rows apart that are the same but for their seed."""

    @property
    def name(self) -> str:
        """Of its folder and of every line about it: what differs from the defaults."""
        options = "".join(f"-{key[:1]}{value}" for key, value in self.options)
        parts = [f"{self.task}{options}", self.cell]
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in SHOWN_FIRST and value != field.default:
                parts.append(f"{field.name}={value}")
        return ",".join(parts)

    @property
    def seed(self) -> int:
        """The same for the same row, wherever it stands in the table."""
        return zlib.crc32(repr(self).encode())

    @property
    def key(self) -> str:
        """Of the cache."""
        return hashlib.sha256(f"{EDITION} {self!r}".encode()).hexdigest()[:16]


SHOWN_FIRST = {"group", "task", "cell", "options"}
