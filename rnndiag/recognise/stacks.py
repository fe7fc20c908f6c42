"""PyTorch's own names to recurrent modules, where the shapes of a stack agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from rnndiag.containers.checkpoint import Value
from rnndiag.recognise.consistency import complaints
from rnndiag.recognise.declare import as_line
from rnndiag.recognise.layers import (
    ASSUMED_TANH,
    CellKind,
    RecurrentLayer,
    RecurrentModule,
    Unrecognised,
)
from rnndiag.recognise.names import Role, join
from rnndiag.recognise.slots import Position, Slots, Stack, cell_of

Activation = Literal["tanh", "relu"]

ACTIVATIONS: dict[tuple[str, str], Activation] = {
    ("mode", "RNN_TANH"): "tanh",
    ("mode", "RNN_RELU"): "relu",
    ("nonlinearity", "tanh"): "tanh",
    ("nonlinearity", "relu"): "relu",
}
"""What a pickled nn.RNN or nn.RNNCell says of itself: attribute and value to activation."""


def build(
    stack: Stack, values: Mapping[str, Value]
) -> tuple[RecurrentModule | None, list[Unrecognised]]:
    """The module a stack stands for, or why it is none."""
    found = complaints(stack)
    if found:
        return None, found
    depths: dict[int | None, list[RecurrentLayer]] = {}
    for position, slots in stack.ordered():
        depths.setdefault(position[0], []).append(_layer(stack.module, position, slots, values))
    return RecurrentModule(stack.module, tuple(map(tuple, depths.values()))), []


def _layer(
    module: str, position: Position, slots: Slots, values: Mapping[str, Value]
) -> RecurrentLayer:
    """One layer of a stack that is sound."""
    cell = cell_of(slots)
    if cell is None:
        raise ValueError(f"{slots['weight_hh']} has not been checked")
    activation, assumptions = activation_of(module, slots["weight_hh"].key, cell, values)
    return assemble(
        module, position, slots, cell=cell, activation=activation, assumptions=assumptions
    )


def assemble(
    module: str,
    position: Position,
    slots: Slots,
    *,
    cell: CellKind,
    activation: Activation,
    assumptions: tuple[str, ...],
) -> RecurrentLayer:
    """A layer from its tensors by role."""
    roles: tuple[Role, ...] = ("weight_hh", "weight_ih", "bias_ih", "bias_hh", "weight_hr")
    return RecurrentLayer(
        name=module,
        layer=position[0] or 0,
        direction=position[1],
        cell=cell,
        activation=activation,
        weight_ih=slots["weight_ih"].tensor,
        weight_hh=slots["weight_hh"].tensor,
        bias_ih=slots["bias_ih"].tensor if "bias_ih" in slots else None,
        bias_hh=slots["bias_hh"].tensor if "bias_hh" in slots else None,
        weight_hr=slots["weight_hr"].tensor if "weight_hr" in slots else None,
        keys=tuple(slots[role].key for role in roles if role in slots),
        assumptions=assumptions,
    )


def activation_of(
    module: str, key: str, cell: CellKind, values: Mapping[str, Value]
) -> tuple[Activation, tuple[str, ...]]:
    """What a module says of its activation, or the assumption that is made."""
    if cell != "rnn":
        return "tanh", ()
    for (attribute, value), activation in ACTIVATIONS.items():
        if values.get(join(module, attribute)) == value:
            return activation, ()
    return "tanh", (assumed_tanh(key),)


def assumed_tanh(key: str) -> str:
    """The words for a plain RNN whose file does not name its activation."""
    line = as_line(f"{key}=rnn:relu")
    return f"{ASSUMED_TANH}: the file does not say; declare with {line}"
