"""Recurrences in none of PyTorch's cells: what they are, how sure that is, how to go on."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from rnndiag.containers.checkpoint import StoredTensor, Value
from rnndiag.recognise.families.base import ELSEWHERE, TWO_MATRICES, plain
from rnndiag.recognise.layers import CellKind, Unrecognised
from rnndiag.recognise.names import join, parent, parse
from rnndiag.recognise.neighbours import Neighbourhood, words
from rnndiag.recognise.proposals import ALTERING, Proposals, common
from rnndiag.recognise.siblings import Match, Siblings
from rnndiag.recognise.slots import cell_by_shape

RECURRENT = re.compile(
    r"(?:^|[._])(?:w?hh|h2h|h_to_h|hidden2hidden|hidden_to_hidden|w_?rec|recurrent|"
    r"recurrent_(?:weight|kernel)|state_linearity)(?:$|[._])",
    re.IGNORECASE,
)
"""Names that people give the matrix from the hidden state to itself, in a name's last two parts."""

RNN_MODULE = re.compile(r"(?:.*_)?(?:rnn|lstm|gru)(?:_?cell)?_?[0-9]*", re.IGNORECASE | re.DOTALL)
"""A module named for the cell it is."""

NO_RECURRENCE = re.compile(r"in_proj|out|attn|attention|norm|embed|conv|inp|scale", re.IGNORECASE)
"""Parts of other layers, which share shapes with recurrences."""

SPOKEN: dict[CellKind, str] = {"rnn": "a plain RNN", "gru": "a GRU", "lstm": "an LSTM"}

SHOWN = 4
"""Tensors of one recurrence that are shown: enough to see why it is one."""

NUMBERED = re.compile(r"[._]?(?:[0-9]+|forward|backward|reverse|fwd?(?=[._])|bwd?(?=[._]))")
"""What differs in the names of the layers and directions of one network."""


@dataclass(frozen=True)
class Surroundings:
    """What is looked at: names, shapes, and plain numbers beside them."""

    tensors: Mapping[str, StoredTensor]
    near: Neighbourhood
    proposals: Proposals

    def shape(self, name: str) -> tuple[int, ...]:
        """Of a tensor, () where there is none of that name."""
        return self.tensors[name].shape if name in self.tensors else ()

    def shown(self, name: str, beside: str) -> str:
        """A tensor with its shape, named as from the module that holds another, too."""
        scope = common(beside, name)
        return f"{name[len(scope) :].lstrip('./')} {self.shape(name)}"


@dataclass(frozen=True)
class Found:
    """One recurrence and the tensors that are it."""

    name: str
    shape: tuple[int, ...]
    certain: bool
    names: tuple[str, ...]

    reason: Callable[[], str]
    """Asked for once of all that are alike."""

    kind: str = ""
    """What the reason begins with, where others may be like it."""

    @classmethod
    def said(cls, entry: Unrecognised, names: Collection[str], kind: str) -> Found:
        """One whose reason is known."""
        return cls(entry.name, entry.shape, entry.certain, tuple(names), lambda: entry.reason, kind)


def lookalikes(
    tensors: Mapping[str, StoredTensor],
    measured: Collection[str],
    broken: Collection[str],
    values: Mapping[str, Value],
) -> list[Found]:
    """Every recurrence that cannot be measured as it stands: families, then what only looks so.

    What is `measured` belongs to layers that were recognised. What is `broken` has PyTorch's names
    and does not fit together: it may be a family's, and is nothing else.
    """
    near = Neighbourhood(tensors, {*measured, *broken})
    around = Surroundings(tensors, near, Proposals(tensors, values, near))
    seen: set[tuple[object, ...]] = set()
    found = []
    claimed = {*measured, *broken}
    for match in Siblings(tensors, measured).matches():
        first = match.names[0]
        if match.family.outside is ELSEWHERE and parse(first) is not None:
            continue  # One of PyTorch's own that is damaged: what is wrong with it is said there.
        claimed |= set(match.names)
        if tensors[first].identity not in seen:
            seen.add(tensors[first].identity)
            reason = functools.partial(_reason, match, around)
            certain, kind = match.family.certain, match.family.kind
            found.append(Found(first, around.shape(first), certain, match.names, reason, kind))
    for name, tensor in tensors.items():
        if name in claimed or not tensor.is_floating or not tensor.size:
            continue
        said = side_by_side(name, around) or dense(name, around)
        if said is not None and tensor.identity not in seen:
            seen.add(tensor.identity)
            entry = Unrecognised(name, tensor.shape, said)
            found.append(Found.said(entry, (name,), re.split("[;,]", said)[0]))
    return found


def grouped(found: Collection[Found]) -> Iterator[Unrecognised]:
    """One entry for all layers of one network, which differ in their numbers and directions."""
    groups: dict[tuple[object, ...], list[Found]] = {}
    for each in found:
        alike = NUMBERED.sub("", each.name)
        own = "" if each.kind else each.name  # What has no kind is like nothing else.
        groups.setdefault((alike, each.certain, each.kind, own), []).append(each)
    for first, *others in groups.values():
        more = f" ({len(others) + 1} such layers, first {first.name})" if others else ""
        reason = f"{first.kind}{more}{first.reason().removeprefix(first.kind)}"
        yield Unrecognised(first.name, first.shape, reason, first.certain)


def _reason(match: Match, around: Surroundings) -> str:
    """What a family's recurrence is, by which tensors, and whether it can be declared."""
    family = match.family
    first = match.names[0]
    shown = match.names[1 : min(match.needed, SHOWN)]
    beside = ", ".join(around.shown(name, first) for name in shown)
    reason = family.kind + (f", with {beside}" if beside else "")
    if family.why:
        reason += f"; {family.why}"
    if family.cell is not None:
        reason += f"; {around.proposals.of(first, match.names[1], family.cell)}"
    return reason


def side_by_side(name: str, around: Surroundings) -> str | None:
    """One matrix over the input and the hidden state, as in PyTorch's own tutorial."""
    module, _, local = name.rpartition(".")
    shape = around.shape(name)
    if module.rpartition(".")[2] != "i2h" or local != "weight" or len(shape) != 2:
        return None
    if around.shape(join(join(parent(module), "h2h"), "weight")) or shape[1] <= shape[0]:
        return None
    return f"may act on the input and the hidden state side by side; {TWO_MATRICES}"


def dense(name: str, around: Surroundings) -> str | None:
    """A matrix named as a recurrence, of a shape that a cell could have."""
    shape = around.shape(name)
    cell = cell_by_shape(shape)
    last_two = ".".join(name.split(".")[-2:])
    module, _, local = last_two.rpartition(".")
    named = RECURRENT.search(last_two) or (RNN_MODULE.fullmatch(module) and shape != (1, 1))
    if cell is None or not named or NO_RECURRENCE.search(local):
        return None
    if not ALTERING.isdisjoint(words(local)):
        return None
    if ELSEWHERE.search(plain(parent(name))):
        return None
    what = f"its shape is that of {SPOKEN[cell]} with {shape[1]} unit{'s' * (shape[1] > 1)}"
    inputs = around.near.named_input(name)
    if inputs is not None:
        return f"{what}; {around.proposals.of(name, inputs, cell)}"
    return f"{what}, but no matrix beside it is named as its input's and has as many rows"
