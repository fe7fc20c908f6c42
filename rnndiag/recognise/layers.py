"""Recurrent layers as they were found in a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rnndiag.containers.checkpoint import StoredTensor

CellKind = Literal["rnn", "gru", "lstm"]
Direction = Literal["forward", "reverse"]

ROOT = "(root)"
"""How a bare module, whose name is empty, is shown."""

ASSUMED_TANH = "activation tanh assumed"
"""How the assumption begins that is made of a plain RNN whose file does not name its activation."""


@dataclass(frozen=True)
class RecurrentLayer:
    """One layer in one direction: its weights as stored, and what is known of them."""

    name: str
    """Dotted name of the module that holds it, "" for a bare module's state dict."""

    layer: int
    direction: Direction
    cell: CellKind

    activation: Literal["tanh", "relu"]
    """Of the candidate state; relu only for a plain RNN."""

    weight_ih: StoredTensor
    """Shape (gates * hidden, input)."""

    weight_hh: StoredTensor
    """Shape (gates * hidden, hidden), or (4 * hidden, projection) of a projected LSTM."""

    bias_ih: StoredTensor | None
    """Shape (gates * hidden,), or (1, gates * hidden) in old files: flatten it once loaded."""

    bias_hh: StoredTensor | None
    """The same; one of the two may be missing in a declared layer, and then counts as zero."""

    weight_hr: StoredTensor | None
    """Shape (projection, hidden); only of an LSTM with `proj_size`."""

    keys: tuple[str, ...]
    """Full names of the tensors above in the checkpoint, weight_hh first."""

    assumptions: tuple[str, ...] = ()
    """What the file does not say and was assumed, in plain words."""

    @property
    def activation_is_assumed(self) -> bool:
        """Whether nobody says that it is tanh."""
        return any(text.startswith(ASSUMED_TANH) for text in self.assumptions)

    @property
    def tensors(self) -> tuple[StoredTensor | None, ...]:
        """Those above, None for one that the layer does not have."""
        return (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh, self.weight_hr)

    @property
    def hidden_size(self) -> int:
        """Units of the layer (the cell state of a projected LSTM)."""
        return self.weight_hh.shape[0] // GATES[self.cell]

    @property
    def input_size(self) -> int:
        """Width of what the layer is fed at each step."""
        return self.weight_ih.shape[1]

    @property
    def projection_size(self) -> int | None:
        """`proj_size` of a projected LSTM, else None."""
        return None if self.weight_hr is None else self.weight_hr.shape[0]

    @property
    def output_size(self) -> int:
        """Width of the hidden state h that the layer hands on."""
        return self.projection_size or self.hidden_size

    @property
    def label(self) -> str:
        """How messages name it: "encoder.lstm/0/forward"."""
        return f"{self.name or ROOT}/{self.layer}/{self.direction}"


GATES: dict[CellKind, int] = {"rnn": 1, "gru": 3, "lstm": 4}
"""Blocks stacked in weight_hh, in PyTorch's order: r, z, n of the GRU, i, f, g, o of the LSTM."""


@dataclass(frozen=True)
class RecurrentModule:
    """One recurrent module: its layers bottom to top, one or two directions each."""

    name: str
    layers: tuple[tuple[RecurrentLayer, ...], ...]
    """layers[depth] holds the forward layer, and the reverse one after it where there is one."""

    @property
    def flat(self) -> tuple[RecurrentLayer, ...]:
        """Every layer and direction, bottom to top, forward before reverse."""
        return tuple(layer for depth in self.layers for layer in depth)

    @property
    def cell(self) -> CellKind:
        """The same in all of its layers."""
        return self.layers[0][0].cell

    @property
    def bidirectional(self) -> bool:
        """Whether its layers run both ways through time."""
        return len(self.layers[0]) == 2

    @property
    def input_size(self) -> int:
        """Width of the module's own input."""
        return self.layers[0][0].input_size

    @property
    def output_size(self) -> int:
        """Width of one direction's hidden state at the top."""
        return self.layers[-1][0].output_size


@dataclass(frozen=True)
class Unrecognised:
    """A tensor that looks recurrent but cannot be measured as it stands."""

    name: str
    shape: tuple[int, ...]
    reason: str
    """What it looks like and, where it can be declared, the `--as` line that does so."""

    certain: bool = False
    """Whether a set of sibling tensors proves it; else it only looks like one."""


@dataclass(frozen=True)
class Recognition:
    """Everything recurrent in one checkpoint."""

    modules: tuple[RecurrentModule, ...]
    """Sorted by name."""

    unrecognised: tuple[Unrecognised, ...]

    embedding_candidates: tuple[str, ...] = ()
    """Names of embedding matrices of shape (rows, width), for drives."""

    readout_candidates: tuple[str, ...] = ()
    """Names of linear layers' weights of shape (rows, width) outside the recurrent modules."""

    other_matrices: tuple[str, ...] = ()
    """Names of every weight of two or more dimensions outside the recurrent modules."""
