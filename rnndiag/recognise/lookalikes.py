"""Tensors that look recurrent but are in none of PyTorch's cells: what they are, how to go on."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from rnndiag.containers.checkpoint import StoredTensor
from rnndiag.recognise.declare import as_line
from rnndiag.recognise.layers import CellKind, Unrecognised
from rnndiag.recognise.names import join, parent
from rnndiag.recognise.neighbours import Neighbourhood
from rnndiag.recognise.slots import cell_by_shape

RECURRENT = re.compile(
    r"(?:^|[._])(?:w?hh|h2h|h_to_h|hidden2hidden|hidden_to_hidden|w_?rec|recurrent|"
    r"recurrent_(?:weight|kernel)|state_linearity)(?:$|[._])",
    re.IGNORECASE,
)
"""Names that people give the matrix from the hidden state to itself, in a name's last two parts."""

RNN_MODULE = re.compile(r"(?:.*_)?(?:rnn|lstm|gru)(?:_?cell)?_?[0-9]*", re.IGNORECASE | re.DOTALL)
"""A module named for the cell it is."""

DECLARABLE = "if it is one, declare it with"
"""Stands in a reason before the line to type, where there is one."""

NO_RECURRENCE = re.compile(r"in_proj|out|attn|attention|norm|embed|conv|inp|scale", re.IGNORECASE)
"""Parts of other layers, which share shapes with recurrences."""

SPOKEN: dict[CellKind, str] = {"rnn": "a plain RNN", "gru": "a GRU", "lstm": "an LSTM"}

STATE_SPACE = frozenset(
    {"inv_w_real", "inv_A_real", "log_w_real", "log_A_real", "Lambda_re", "A_log", "nu_log"}
)
"""The decay rates of S4, S4D, S5, Mamba and the LRU, as their published code names them."""


@dataclass(frozen=True)
class Surroundings:
    """What a rule may look at: names and shapes."""

    tensors: Mapping[str, StoredTensor]
    near: Neighbourhood

    def shape(self, name: str) -> tuple[int, ...]:
        """Of a tensor, () where there is none of that name."""
        return self.tensors[name].shape if name in self.tensors else ()


Rule = Callable[[str, Surroundings], str | None]


def lookalikes(
    tensors: Mapping[str, StoredTensor], claimed: Collection[str]
) -> Iterator[Unrecognised]:
    """One entry for each recurrence that cannot be measured as it stands, in file order."""
    around = Surroundings(tensors, Neighbourhood(tensors, claimed))
    seen = set()
    for name, tensor in tensors.items():
        if name in claimed or not tensor.is_floating or not tensor.size:
            continue
        reason = next((said for rule in RULES if (said := rule(name, around))), None)
        if reason is not None and tensor.identity not in seen:
            seen.add(tensor.identity)
            yield Unrecognised(name, tensor.shape, reason)


def projected_lstm(name: str, around: Surroundings) -> str | None:
    """AllenNLP's LstmCellWithProjection: state_linearity (4H, P) and state_projection (P, H)."""
    outer = parent(parent(name))
    if name != join(outer, "state_linearity.weight"):
        return None
    projection = join(outer, "state_projection.weight")
    if len(around.shape(projection)) != 2:
        return None
    return (
        f"a projected LSTM in AllenNLP's layout, with {projection} {around.shape(projection)}; "
        "--as declares no projection"
    )


def state_space(name: str, _around: Surroundings) -> str | None:
    """S4, Mamba and their kin: one decay rate per state, no matrix from state to state."""
    if name.rpartition(".")[2] not in STATE_SPACE:
        return None
    return "a state-space layer (S4, Mamba or kin): its recurrence is diagonal, there is no W_hh"


def time_mixing(name: str, around: Surroundings) -> str | None:
    """RWKV: a decay beside a receptance."""
    module, _, local = name.rpartition(".")
    if local not in {"w0", "time_decay"} or not around.shape(join(module, "receptance.weight")):
        return None
    return "RWKV time mixing: its recurrence is a decay that depends on the data, there is no W_hh"


def low_rank(name: str, around: Surroundings) -> str | None:
    """W_hh = m n^T, stored as its two factors."""
    module, _, local = name.rpartition(".")
    other = join(module, "n")
    left, right = around.shape(name), around.shape(other)
    if local != "m" or len(left) != 2 or len(right) != 2 or min(left) >= max(left):
        return None
    if right not in {left, left[::-1]}:
        return None
    return f"a low-rank recurrence, with {other} {right}: W_hh is their product and is not stored"


def side_by_side(name: str, around: Surroundings) -> str | None:
    """One matrix over the input and the hidden state, as in PyTorch's own tutorial."""
    module, _, local = name.rpartition(".")
    shape = around.shape(name)
    if module.rpartition(".")[2] != "i2h" or local != "weight" or len(shape) != 2:
        return None
    if around.shape(join(join(parent(module), "h2h"), "weight")) or shape[1] <= shape[0]:
        return None
    return "may act on the input and the hidden state side by side; --as needs two matrices"


def dense(name: str, around: Surroundings) -> str | None:
    """A matrix named as a recurrence, of a shape that a cell could have."""
    shape = around.shape(name)
    cell = cell_by_shape(shape)
    last_two = ".".join(name.split(".")[-2:])
    module, _, local = last_two.rpartition(".")
    named = RECURRENT.search(last_two) or (RNN_MODULE.fullmatch(module) and shape != (1, 1))
    if cell is None or not named or NO_RECURRENCE.search(local):
        return None
    inputs = around.near.input_matrices(name)
    what = f"its shape is that of {SPOKEN[cell]} with {shape[1]} unit{'s' * (shape[1] > 1)}"
    choice = "rnn:tanh" if cell == "rnn" else cell
    if inputs:
        line = as_line(f"{name}={choice},input={inputs[0]}")
        return f"{what}; {DECLARABLE} {line}"
    return f"{what}, but no input matrix beside it has as many rows"


RULES: tuple[Rule, ...] = (projected_lstm, state_space, time_mixing, low_rank, side_by_side, dense)
"""The first that has something to say is heard."""
