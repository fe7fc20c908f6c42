"""What the user gives for one module: initial states, cotangents, the readout; all checked."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rnndiag.cells.base import FloatArray
from rnndiag.containers.checkpoint import Checkpoint
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.recognise.layers import ROOT, RecurrentModule
from rnndiag.rollout import States


@dataclass(frozen=True)
class GivenStates:
    """Initial states as PyTorch shapes them: h_0 and, for an LSTM, c_0."""

    h_0: FloatArray
    """Shape (layers * directions, batch, output)."""

    c_0: FloatArray | None = None
    """Shape (layers * directions, batch, hidden)."""

    @classmethod
    def zero(cls) -> GivenStates:
        """States of zeros, for a module of any size."""
        return cls(np.zeros((0, 0, 0)))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, FloatArray]) -> GivenStates:
        """From a file's arrays: a single one is h_0; several must be named h_0 and c_0."""
        for name, array in arrays.items():
            if not array.size:  # which stands for zeros of any size here, and is a slip in a file
                raise RnndiagError(
                    InputCode.USAGE,
                    f"the initial states' {name} is empty, shape {array.shape}",
                    "give (layers * directions, batch, hidden), or zero",
                )
        if len(arrays) == 1:
            return cls(next(iter(arrays.values())))
        if set(arrays) != {"h_0", "c_0"}:
            raise RnndiagError(
                InputCode.USAGE,
                f"initial states are named {', '.join(sorted(arrays))}",
                "name the arrays h_0 and c_0",
            )
        return cls(arrays["h_0"], arrays["c_0"])

    def of_module(self, module: RecurrentModule, batch: int) -> States:
        """States by [depth][direction], each of shape (batch, state).

        Raises RnndiagError (RD007) naming the shape that was expected.
        """
        sides = len(module.layers[0])
        count = len(module.layers) * sides
        first = module.layers[0][0]
        if self.c_0 is not None and first.cell != "lstm":
            raise RnndiagError(
                InputCode.USAGE,
                f"c_0 was given, {module.name or ROOT} is no LSTM and has none",
                "give h_0 alone, or choose the module with --layer",
            )
        parts = [(self.h_0, first.output_size, "h_0")]
        if first.cell == "lstm":
            cell_state = self.c_0
            if cell_state is None and self.h_0.size:
                raise RnndiagError(
                    InputCode.USAGE,
                    "an LSTM needs h_0 and c_0 as initial states, one array was given",
                    "give an .npz with both",
                )
            parts.append((self.h_0 if cell_state is None else cell_state, first.hidden_size, "c_0"))
        joined = np.concatenate([_states(*part, count, batch, module) for part in parts], axis=-1)
        return [
            [joined[depth * sides + side] for side in range(sides)]
            for depth in range(len(module.layers))
        ]


def _states(
    array: FloatArray, width: int, name: str, count: int, batch: int, module: RecurrentModule
) -> FloatArray:
    expected = (count, batch, width)
    if not array.size:
        return np.zeros(expected)
    if array.shape != expected:
        raise _misshapen(name, array.shape, expected, module)
    return array


def checked_cotangent(cotangent_nbh: FloatArray, module: RecurrentModule, batch: int) -> FloatArray:
    """The user's ∂L/∂h_T, if it has the shape (cotangents, batch, output) of the module's top.

    Raises RnndiagError (RD007) for another shape, or for a cotangent that is zero.
    """
    expected = (cotangent_nbh.shape[0], batch, module.layers[-1][0].output_size)
    if cotangent_nbh.shape != expected:
        raise _misshapen("the cotangent", cotangent_nbh.shape, expected, module)
    if not cotangent_nbh.any(axis=-1).all():
        raise RnndiagError(
            InputCode.USAGE, "the cotangent has an all-zero sample", "seed every sample"
        )
    return cotangent_nbh


def load_readout(name: str, checkpoint: Checkpoint, module: RecurrentModule) -> FloatArray:
    """A linear layer's weight on the module's output, (outputs, directions * output), in float64.

    `name` is that of the weight or of its layer. Raises RnndiagError (RD007) where the file has no
    such tensor, or one that does not fit.
    """
    stored = checkpoint.tensors.get(name) or checkpoint.tensors.get(f"{name}.weight")
    width = sum(layer.output_size for layer in module.layers[-1])
    if stored is None:
        recurrent = {key for layer in module.flat for key in layer.keys}
        fitting = [
            found
            for found, tensor in checkpoint.tensors.items()
            if tensor.shape[1:] == (width,) and found not in recurrent
        ]
        near = difflib.get_close_matches(name, fitting, 3) or fitting[:5]
        raise RnndiagError(
            InputCode.USAGE,
            f"--readout {name} is not in the file",
            f"of width {width} it has {', '.join(near) or 'no linear layer'}",
        )
    weight = np.asarray(stored.load(), dtype=np.float64)
    if weight.shape[1:] != (width,):
        raise _misshapen("the readout", weight.shape, ("outputs", width), module)
    if not np.isfinite(weight).all() or not weight.any():
        raise RnndiagError(
            InputCode.USAGE, f"--readout {name} is zero or not finite", "name another layer"
        )
    return weight


def _misshapen(
    what: str, found: tuple[int, ...], expected: tuple[int | str, ...], module: RecurrentModule
) -> RnndiagError:
    return RnndiagError(
        InputCode.USAGE,
        f"{what} has shape {found}, {module.name or ROOT} needs ({', '.join(map(str, expected))})",
        "give that shape, or choose the module with --layer",
    )
