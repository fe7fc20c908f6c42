"""The inputs that a recurrent module is run on: one kind of input is a drive."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rnndiag.cells.base import FloatArray
from rnndiag.rollout import States

SyntheticName = Literal["generated", "zero", "weak", "normal", "smooth", "embedding", "onehot"]
SYNTHETIC: tuple[SyntheticName, ...] = (
    *("generated", "zero", "weak", "normal", "smooth", "embedding", "onehot"),
)

Basis = Literal["measured", "own", "synthetic"]
"""What a verdict stands on. measured: the user's own inputs, or a probe. own: the network's own
samples, where the file shows for certain how an output becomes the next input. synthetic: anything
made up."""

Sampler = Callable[[np.random.Generator, int, int], FloatArray]
"""(generator, steps, batch) to inputs of shape (steps, batch, input)."""


@dataclass(frozen=True)
class Drive:
    """One kind of input."""

    name: str

    deciding: bool
    """Whether the verdict rests on it (among the deciding ones, on all of them together)."""

    sample: Sampler

    source: str = ""
    """Where its values come from, for a reader: "rows of embed.weight"."""

    basis: Basis = "synthetic"

    initial: States | None = None
    """States that go with these inputs; None: the inputs may start from any."""

    cotangent_bh: FloatArray | None = None
    """∂L/∂h of a loss that goes with them, at the top layer's last step, (batch, output)."""

    def inputs(self, seed: int, steps: int, batch: int) -> FloatArray:
        """Inputs of shape (steps, batch, input): the same for the same name and seed."""
        generator = np.random.default_rng([seed, zlib.crc32(self.name.encode())])
        return self.sample(generator, steps, batch)


def recorded(name: str, inputs_tbi: FloatArray, source: str) -> Drive:
    """Inputs that somebody gave, shape (steps, batch, input): they decide alone."""
    return Drive(name, True, lambda _, t, b: inputs_tbi[:t, :b], source, "measured")


def given_drive(inputs_tbi: FloatArray, source: str) -> Drive:
    """The user's own inputs, shape (steps, batch, input)."""
    return recorded("given", inputs_tbi, source)


def probe_drive(inputs_tbi: FloatArray) -> Drive:
    """A probe's recorded inputs, shape (steps, batch, input)."""
    return recorded("probe", inputs_tbi, "recorded with rnndiag.capture")
