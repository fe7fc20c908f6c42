"""The tensors found under one prefix, by layer, direction and role, and what their shapes say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from rnndiag.containers.checkpoint import StoredTensor
from rnndiag.recognise.layers import GATES, CellKind, Direction
from rnndiag.recognise.names import Role, parent, parse
from rnndiag.recognise.wrappers import Refused


class Named(NamedTuple):
    """A tensor and its full name."""

    key: str
    tensor: StoredTensor

    def __str__(self) -> str:
        return f"{self.key} {self.tensor.shape}"


Slots = dict[Role, Named]

Position = tuple[int | None, Direction]
"""Layer number (None for a cell) and direction."""


@dataclass(frozen=True)
class Stack:
    """What a checkpoint holds under one prefix, before it is known to be sound."""

    module: str
    positions: dict[Position, Slots]
    refused: dict[str, Refused]
    """Standard name of a weight that is stored as parts and cannot be rebuilt; its slot holds the
    first part."""

    others: list[Named] = field(default_factory=list)
    """Further tensors of the module and of the modules in it."""

    @property
    def names(self) -> set[str]:
        """Every tensor that belongs here, parts of wrapped ones included."""
        plain = {named.key for slots in self.positions.values() for named in slots.values()}
        return plain | {
            name for key, refused in self.refused.items() for name in (key, *refused.parts)
        }

    def ordered(self) -> list[tuple[Position, Slots]]:
        """Bottom to top, forward before reverse; a cell before everything."""
        return sorted(self.positions.items(), key=lambda item: _order(item[0]))


def _order(position: Position) -> tuple[int, str]:
    """A cell's missing number as -1."""
    layer, direction = position
    return (-1 if layer is None else layer, direction)


def stacks(tensors: Mapping[str, StoredTensor], refused: Mapping[str, Refused]) -> list[Stack]:
    """Group the standard names by prefix, in the order of the file."""
    found: dict[str, Stack] = {}
    for name in (*tensors, *refused):
        parameter = parse(name)
        if parameter is None:
            continue
        stack = found.setdefault(parameter.module, Stack(parameter.module, {}, {}))
        slots = stack.positions.setdefault((parameter.layer, parameter.direction), {})
        key = name
        if name in refused:
            stack.refused[name] = refused[name]
            key = refused[name].parts[0]
        slots[parameter.role] = Named(key, tensors[key])
    known = {name for stack in found.values() for name in stack.names}
    for name in tensors:
        for module in {parent(name), parent(parent(name))}:
            if module in found and name not in known:
                found[module].others.append(Named(name, tensors[name]))
    return list(found.values())


def cell_of(slots: Slots) -> CellKind | None:
    """The cell whose gates fit weight_hh, by shape alone; None where none does."""
    rows, columns = slots["weight_hh"].tensor.shape
    if "weight_hr" in slots:
        projection, hidden = slots["weight_hr"].tensor.shape
        return "lstm" if (rows, columns) == (4 * hidden, projection) else None
    return cell_by_shape((rows, columns))


def cell_by_shape(shape: tuple[int, ...]) -> CellKind | None:
    """Tell the cell: (H, H) is rnn, (3H, H) gru, (4H, H) lstm.

    >>> cell_by_shape((384, 128))
    'gru'
    """
    if len(shape) == 2 and shape[1] > 0:
        for cell, gates in GATES.items():
            if shape[0] == gates * shape[1]:
                return cell
    return None


def is_bias(tensor: StoredTensor, rows: int) -> bool:
    """Whether a tensor is a bias for that many rows: (rows,), or (1, rows) in old files."""
    return tensor.shape in {(rows,), (1, rows)}
