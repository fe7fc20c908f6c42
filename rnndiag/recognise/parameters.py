"""Whose state an optimizer keeps: parameter ids to names by identity, by name, or by order."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rnndiag.containers.checkpoint import Checkpoint, StoredTensor
from rnndiag.recognise.names import model_tensors
from rnndiag.recognise.optimizers import Optimizer

Shape = tuple[int, ...]

NORMALISED = frozenset({"running_mean", "running_var"})
"""What torch's normalisation layers call their running statistics."""

BESIDE_ORIGINAL = ("_mask", "_u", "_v")
"""Ends of what pruning and spectral_norm keep beside `weight_orig`."""

DEEPEST = 8
"""Parts of a name that are tried as the root of the model; deeper ones are single layers."""


MOST_PAIRS = 500_000
"""Parameter groups times tensors: every group is compared with every tensor."""


@dataclass(frozen=True)
class Match:
    """Which parameter each of an optimizer's states belongs to."""

    names: Mapping[str, str] = field(default_factory=dict)
    """State's id to the parameter's full name in the model's file; all of them or none."""

    reason: str | None = None
    """Why there are none."""

    contradicted: bool = False
    """Whether no order of the model's tensors fits: the state is another model's."""


def match_parameters(optimizer: Optimizer, model: Checkpoint) -> Match:
    """Find the parameter that each state belongs to, or say why it cannot be known.

    A state that is keyed by the parameter itself, as in the oldest files, or by its name, is that
    parameter's. Numbers stand for the order in which the parameters were given to the optimizer:
    that order and the shapes must fit the model's tensors in one way only.
    """
    parameters = _parameters(model)
    if not parameters:
        return Match(reason="there are no model's tensors beside it")
    keyed = _by_identity(optimizer, parameters) if optimizer.checkpoint is model else None
    keyed = keyed or _by_name(optimizer, parameters)
    if keyed is not None:
        return Match(keyed)
    if not optimizer.states.keys() <= {each for group in optimizer.order for each in group}:
        return Match(reason="the file does not list the optimizer's parameters in their order")
    return _by_order(optimizer, {name: tensor.shape for name, tensor in parameters.items()})


def _parameters(model: Checkpoint) -> dict[str, StoredTensor]:
    """What an optimizer may have been given: floating-point tensors, a shared one once."""
    found: dict[tuple[object, ...], tuple[str, StoredTensor]] = {}
    tensors = model_tensors(model)
    for name, tensor in tensors.items():
        if tensor.is_floating and not _is_buffer(name, tensors):
            found.setdefault(tensor.identity, (name, tensor))
    return dict(found.values())


def _is_buffer(name: str, names: Container[str]) -> bool:
    """Whether torch's own modules and wrappers give a tensor of this name no gradients."""
    local = name.rpartition(".")[2]
    if local in NORMALISED or (local in {"_u", "_v"} and "parametrizations" in name.split(".")):
        return True
    return any(
        name.endswith(end) and f"{name.removesuffix(end)}_orig" in names for end in BESIDE_ORIGINAL
    )


def _by_identity(
    optimizer: Optimizer, parameters: Mapping[str, StoredTensor]
) -> dict[str, str] | None:
    """States under keys that are the parameters themselves."""
    names = {tensor.identity: name for name, tensor in parameters.items()}
    found = {}
    for each in optimizer.states:
        key = optimizer.key_tensor(each)
        if key is None or key.identity not in names:
            return None
        found[each] = names[key.identity]
    return found


def _by_name(optimizer: Optimizer, parameters: Mapping[str, StoredTensor]) -> dict[str, str] | None:
    """States under the parameters' names, which may lack one prefix that all of them have."""
    first = next(iter(optimizer.states))
    for name in parameters:
        if name == first or name.endswith(f".{first}"):
            prefix = name.removesuffix(first)
            if all(
                f"{prefix}{each}" in parameters
                and parameters[f"{prefix}{each}"].shape == optimizer.shape(each)
                for each in optimizer.states
            ):
                return {each: f"{prefix}{each}" for each in optimizer.states}
    return None


class _Wanted(NamedTuple):
    """A parameter of the optimizer; its shape is not known before it has been stepped."""

    id: str
    shape: Shape | None


def _by_order(optimizer: Optimizer, shapes: Mapping[str, Shape]) -> Match:
    """The only way in which order and shapes fit."""
    groups = [[_Wanted(each, optimizer.shape(each)) for each in ids] for ids in optimizer.order]
    count = sum(map(len, groups))
    ways = _below_roots(groups, shapes, shapes)
    if len(ways) == 1:
        # What stands around a copy of the model has a root only without the copy.
        taken = {name for names in ways for name in names}
        ways |= _below_roots(groups, [name for name in shapes if name not in taken], shapes)
    if not ways:
        ways.update(dict.fromkeys(_in_some(groups, list(shapes), shapes)))
    if len(ways) == 1:
        ids = [wanted.id for group in groups for wanted in group]
        (names,) = ways
        pairs = zip(ids, names, strict=True)
        return Match({each: name for each, name in pairs if each in optimizer.states})
    if not ways:
        return Match(
            reason=f"its {count} parameters do not fit the model's {len(shapes)} tensors in order "
            "and shape",
            contradicted=True,
        )
    first, second = list(ways)[:2]
    differing = next(pair for pair in zip(first, second, strict=True) if pair[0] != pair[1])
    return Match(
        reason=f"its {count} parameters fit the model's {len(shapes)} tensors in several ways "
        f"(one of them is {differing[0]} or {differing[1]})"
    )


def _below_roots(
    groups: Sequence[Sequence[_Wanted]], names: Iterable[str], shapes: Mapping[str, Shape]
) -> dict[tuple[str, ...], None]:
    """Ways to fit all that is below some prefix with as many tensors, in the order of the file."""
    count = sum(map(len, groups))
    pools = (pool for pool in _roots(names) if len(pool) == count)
    return dict.fromkeys(way for pool in pools for way in _in_all(groups, pool, shapes))


def _roots(names: Iterable[str]) -> Iterable[list[str]]:
    """All names, and those below each prefix that could be the model's."""
    below: dict[str, list[str]] = {}
    everything = []
    for name in names:
        everything.append(name)
        parts = name.split(".", DEEPEST)
        for depth in range(1, len(parts)):
            below.setdefault(".".join(parts[:depth]), []).append(name)
    return [everything, *below.values()]


def _in_all(
    groups: Sequence[Sequence[_Wanted]], pool: Sequence[str], shapes: Mapping[str, Shape]
) -> list[tuple[str, ...]]:
    """Ways to fit as many parameters to as many names: group after group, or each by itself."""
    ordered = [wanted for group in groups for wanted in group]
    found = []
    if all(_fits(wanted, shapes[name]) for wanted, name in zip(ordered, pool, strict=True)):
        found.append(tuple(pool))
        found += _exchanged(groups, pool)
    elif len(groups) > 1 and len(groups) * len(shapes) <= MOST_PAIRS:
        # Weights with decay in one group, biases without it in another.
        apart = [_in_some([group], pool, shapes) for group in groups]
        if all(len(ways) == 1 for ways in apart):
            names = tuple(name for ways in apart for name in ways[0])
            found += [names] if len(set(names)) == len(names) else []
    return found


def _exchanged(groups: Sequence[Sequence[_Wanted]], pool: Sequence[str]) -> list[tuple[str, ...]]:
    """The same with two groups of equal shapes exchanged: which was given first is not known."""
    starts: dict[tuple[Shape | None, ...], int] = {}
    start = 0
    for group in groups:
        kind = tuple(wanted.shape for wanted in group)
        length = len(kind)
        if kind and kind in starts:
            other = starts[kind]
            names = list(pool)
            names[other : other + length] = pool[start : start + length]
            names[start : start + length] = pool[other : other + length]
            return [tuple(names)]
        starts[kind] = start
        start += length
    return []


def _in_some(
    groups: Sequence[Sequence[_Wanted]], pool: Sequence[str], shapes: Mapping[str, Shape]
) -> list[tuple[str, ...]]:
    """The first and the last way to pick the parameters from more names, in their order.

    No other way starts earlier or ends later, so if the two are equal it is the only one.
    """
    ordered = [wanted for group in groups for wanted in group]
    first = _leftmost(ordered, pool, shapes)
    if first is None:
        return []
    last = _leftmost(ordered[::-1], pool[::-1], shapes) or first
    return list(dict.fromkeys((tuple(first), tuple(last[::-1]))))


def _leftmost(
    ordered: Sequence[_Wanted], pool: Sequence[str], shapes: Mapping[str, Shape]
) -> list[str] | None:
    """The earliest name that fits each parameter after the one before it."""
    found: list[str] = []
    for name in pool:
        if len(found) < len(ordered) and _fits(ordered[len(found)], shapes[name]):
            found.append(name)
    return found if len(found) == len(ordered) else None


def _fits(wanted: _Wanted, shape: Shape) -> bool:
    return wanted.shape is None or wanted.shape == shape
