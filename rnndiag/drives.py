"""The inputs a recurrent module is run on when nobody gives it data, and those that are given."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rnndiag.cells.base import FloatArray
from rnndiag.containers.checkpoint import Checkpoint
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.recognise.layers import ROOT, Recognition, RecurrentModule

SyntheticName = Literal["zero", "weak", "normal", "embedding", "onehot"]
SYNTHETIC: tuple[SyntheticName, ...] = ("zero", "weak", "normal", "embedding", "onehot")

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

    def inputs(self, seed: int, steps: int, batch: int) -> FloatArray:
        """Inputs of shape (steps, batch, input): the same for the same name and seed."""
        generator = np.random.default_rng([seed, zlib.crc32(self.name.encode())])
        return self.sample(generator, steps, batch)


def choose_drives(
    module: RecurrentModule,
    recognition: Recognition,
    checkpoint: Checkpoint,
    requested: str = "auto",
) -> tuple[Drive, ...]:
    """The drives for one module: every one that fits it, or the one requested by name.

    Deciding are the file's own embedding where it has one of the module's input width, else one-hot
    symbols where the rest of the model is a readout with as many rows as the module has inputs,
    else zero, weak and normal together. Raises RnndiagError (RD007) for a requested drive that this
    module cannot have.
    """
    symbols = None
    if requested in {"auto", "embedding"}:  # an embedding is large: read only where it may be used
        symbols = _embedding_drive(module, recognition, checkpoint) or _onehot_drive(
            module, recognition, checkpoint
        )
    width = module.input_size
    noise = symbols is None
    drives = [
        Drive("zero", noise, lambda _, t, b: np.zeros((t, b, width)), "no input"),
        Drive("weak", noise, _gaussian(width, width**-0.5), "Gaussian, std 1/sqrt(input size)"),
        Drive("normal", noise, _gaussian(width, 1.0), "Gaussian, std 1"),
    ]
    if symbols is not None:
        drives.insert(0, symbols)
    if requested == "auto":
        return tuple(drives)
    if requested == "onehot":
        drives.append(Drive("onehot", True, _onehot(width), f"one of {width} symbols"))
    chosen = [drive for drive in drives if drive.name == requested]
    if not chosen:
        raise RnndiagError(
            InputCode.USAGE,
            f"no {requested} drive for {module.name or ROOT}: the file holds no embedding of "
            f"its input width {width}",
            "use --input zero, weak, normal, onehot or a file",
        )
    only = chosen[0]
    return (Drive(only.name, True, only.sample, only.source),)


def given_drive(inputs_tbi: FloatArray, source: str) -> Drive:
    """The user's own inputs, shape (steps, batch, input)."""
    return Drive("given", True, lambda _, t, b: inputs_tbi[:t, :b], source)


def probe_drive(inputs_tbi: FloatArray) -> Drive:
    """A probe's recorded inputs, shape (steps, batch, input)."""
    return Drive("probe", True, lambda _, t, b: inputs_tbi[:t, :b], "recorded with rnndiag.capture")


def _gaussian(width: int, deviation: float) -> Sampler:
    def sample(generator: np.random.Generator, steps: int, batch: int) -> FloatArray:
        values = generator.standard_normal((steps, batch, width))
        values *= deviation  # in place: a long sequence should not be held twice
        return values

    return sample


def _onehot(width: int) -> Sampler:
    def sample(generator: np.random.Generator, steps: int, batch: int) -> FloatArray:
        # Not rows of np.eye(width): for 50,000 symbols that is 20 GB.
        symbols = np.zeros((steps, batch, width))
        drawn = generator.integers(width, size=(steps, batch, 1))
        np.put_along_axis(symbols, drawn, 1.0, axis=2)
        return symbols

    return sample


def _embedding_drive(
    module: RecurrentModule, recognition: Recognition, checkpoint: Checkpoint
) -> Drive | None:
    """Rows of the file's embedding: of the nearest one, if several have the right width."""
    fitting = [
        name
        for name in recognition.embedding_candidates
        if checkpoint.tensors[name].shape[1] == module.input_size
    ]
    if not fitting:
        return None
    name = max(fitting, key=lambda n: _common_prefix(n, module.name))
    rows = np.asarray(checkpoint.tensors[name].load(), dtype=np.float64)
    if not np.isfinite(rows).all():
        return None

    def sample(generator: np.random.Generator, steps: int, batch: int) -> FloatArray:
        return np.asarray(rows[generator.integers(len(rows), size=(steps, batch))])

    return Drive("embedding", True, sample, f"rows of {name}")


def _onehot_drive(
    module: RecurrentModule, recognition: Recognition, checkpoint: Checkpoint
) -> Drive | None:
    """One-hot symbols, if the model is this module and a readout of as many rows as it has inputs.

    With other matrices in the model the inputs come from them, and a row count that fits is chance:
    so it was in every real file of several layers that was looked at.
    """
    width = module.input_size
    joined = sum(layer.output_size for layer in module.layers[-1])
    if len(recognition.modules) > 1 or len(recognition.other_matrices) != 1:
        return None
    (name,) = recognition.other_matrices
    if name not in recognition.readout_candidates:
        return None
    if checkpoint.tensors[name].shape != (width, joined):
        return None
    return Drive("onehot", True, _onehot(width), f"{width} symbols, as {name} scores")


def _common_prefix(left: str, right: str) -> int:
    length = 0
    for a, b in zip(left.split("."), right.split("."), strict=False):
        if a != b:
            break
        length += 1
    return length
