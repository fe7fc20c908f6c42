"""Whose state an optimizer keeps: parameter ids to names by identity, by name, or by order."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from rnndiag.containers.checkpoint import Checkpoint, StoredTensor
from rnndiag.recognise.model_weights import without_copies
from rnndiag.recognise.names import model_tensors
from rnndiag.recognise.optimizers import Optimizer
from rnndiag.recognise.parameter_order import Shape, ways_to_fit

NORMALISED = frozenset({"running_mean", "running_var"})
"""What torch's normalisation layers call their running statistics."""

BESIDE_ORIGINAL = ("_mask", "_u", "_v")
"""Ends of what pruning and spectral_norm keep beside `weight_orig`."""


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
    if not optimizer.states.keys() <= set(optimizer.order):
        return Match(reason="the file does not list the optimizer's parameters in their order")
    return _by_order(optimizer, {name: tensor.shape for name, tensor in parameters.items()})


def _parameters(model: Checkpoint) -> dict[str, StoredTensor]:
    """What an optimizer may have been given: floating-point tensors, a shared one once."""
    found: dict[tuple[object, ...], tuple[str, StoredTensor]] = {}
    # An averaged copy (EMA) is no parameter that anything was computed for.
    tensors = without_copies(model_tensors(model))
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


def _by_order(optimizer: Optimizer, shapes: Mapping[str, Shape]) -> Match:
    """The only way in which order and shapes fit."""
    groups = [tuple(map(optimizer.shape, ids)) for ids in optimizer.groups.values()]
    count = sum(map(len, groups))
    ways = ways_to_fit(groups, shapes)
    if not ways:
        return Match(
            reason=f"its {count} parameters do not fit the model's {len(shapes)} tensors in order "
            "and shape",
            contradicted=True,
        )
    if len(ways) > 1:
        first, second = next(pair for pair in zip(*ways[:2], strict=True) if pair[0] != pair[1])
        return Match(
            reason=f"its {count} parameters fit the model's {len(shapes)} tensors in several ways "
            f"(one of them is {first} or {second})"
        )
    pairs = zip(optimizer.order, ways[0], strict=True)
    return Match({each: name for each, name in pairs if each in optimizer.states})
