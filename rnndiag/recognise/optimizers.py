"""Optimizers' state in a checkpoint, by name: whose it is and which settings go with it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from rnndiag.containers.checkpoint import Checkpoint, StoredTensor

AVERAGES = frozenset(
    {"exp_avg", "exp_avg_sq", "max_exp_avg_sq", "square_avg", "grad_avg", "acc_delta", "exp_inf"}
    | {"sum", "momentum_buffer"}
)
"""Keys of running averages in the state of torch.optim's optimizers."""


@dataclass(frozen=True)
class Optimizer:
    """One optimizer's part of a checkpoint."""

    prefix: str
    """"optimizer." with its dot, "" where the whole file is the optimizer's."""

    states: Mapping[str, Mapping[str, StoredTensor]]
    """Parameter id to key to running average, in the order of the file."""

    groups: Mapping[str, tuple[str, ...]]
    """Name of each parameter group to its parameters' ids as the file lists them, those without
    state included."""

    checkpoint: Checkpoint

    @cached_property
    def kept(self) -> frozenset[str]:
        """All that it keeps of any parameter: averages, counters, copies."""
        below = f"{self.prefix}state."
        names = (*self.checkpoint.values, *self.checkpoint.tensors)
        found = (_entry(name) for name in names if name.startswith(below))
        return frozenset(
            entry.key for entry in found if entry is not None and entry.id in self.states
        )

    @cached_property
    def setting_names(self) -> frozenset[str]:
        """Names of the settings of its parameter groups."""
        names = (*self.checkpoint.values, *self.checkpoint.tensors)
        starts = tuple(f"{self.prefix}param_groups.{group}." for group in self.groups)
        ours = (name for name in names if starts and name.startswith(starts))
        return frozenset(name[len(self.prefix) :].split(".")[2] for name in ours)

    @property
    def order(self) -> tuple[str, ...]:
        """Parameter ids in the order in which the optimizer was given the parameters."""
        return tuple(each for ids in self.groups.values() for each in ids)

    @cached_property
    def _group_of(self) -> Mapping[str, str]:
        return {each: group for group, ids in self.groups.items() for each in ids}

    def shape(self, parameter: str) -> tuple[int, ...] | None:
        """Of a parameter's running averages, which is its own; None where it has none."""
        averages = self.states.get(parameter)
        return None if averages is None else next(iter(averages.values())).shape

    def key_tensor(self, parameter: str) -> StoredTensor | None:
        """The parameter itself, where the state is keyed by it as in the oldest files."""
        return self.checkpoint.tensors.get(f"{self.prefix}state.{parameter}")

    def settings(self, key: str) -> list[float | None]:
        """A number from every parameter group."""
        return [self._in_group(group, key) for group in self.groups]

    def setting(self, key: str, parameter: str) -> float | None:
        """A number from a parameter's group, or from the only group there is."""
        only = next(iter(self.groups)) if len(self.groups) == 1 else None
        group = self._group_of.get(parameter, only)
        return None if group is None else self._in_group(group, key)

    def step(self, parameter: str) -> float | None:
        """Steps taken for one parameter."""
        return number_at(self.checkpoint, f"{self.prefix}state.{parameter}.step")

    @property
    def decoupled(self) -> bool | None:
        """Whether weight decay bypasses the averages; None where the file does not say."""
        for group in self.groups:
            key = f"{self.prefix}param_groups.{group}.decoupled_weight_decay"
            value = self.checkpoint.values.get(key)
            if isinstance(value, bool):
                return value
        return None

    def _in_group(self, group: str, key: str) -> float | None:
        return number_at(self.checkpoint, f"{self.prefix}param_groups.{group}.{key}")


def optimizers(checkpoint: Checkpoint) -> list[Optimizer]:
    """Every optimizer of a checkpoint that keeps running averages, in the order of the file."""
    states: dict[str, dict[str, dict[str, StoredTensor]]] = {}
    for name, tensor in checkpoint.tensors.items():
        found = _entry(name)
        if found is not None and found.key in AVERAGES and tensor.is_floating and tensor.size:
            own = states.setdefault(found.prefix, {})
            own.setdefault(found.id, {})[found.key] = tensor
    groups: dict[str, dict[str, list[str]]] = {prefix: {} for prefix in states}
    for name in (*checkpoint.values, *checkpoint.tensors):
        prefix, found_groups, rest = name.rpartition("param_groups.")
        if found_groups and prefix in states:
            group, _, key = rest.partition(".")
            params = groups[prefix].setdefault(group, [])
            if key.startswith("params."):
                params.append(name)
    return [
        Optimizer(prefix, own, _identified(groups[prefix], prefix, own, checkpoint), checkpoint)
        for prefix, own in states.items()
    ]


class _Entry(NamedTuple):
    """A name in an optimizer's state, taken apart."""

    prefix: str
    id: str
    key: str


def _entry(name: str) -> _Entry | None:
    """Take `optimizer.state.3.exp_avg_sq` apart; the last `state` counts."""
    path, _, key = name.rpartition(".")
    prefix, found, parameter = f".{path}".rpartition(".state.")
    if not found or not parameter:
        return None
    return _Entry(f"{prefix[1:]}." if prefix else "", parameter, key)


def _identified(
    groups: Mapping[str, Iterable[str]],
    prefix: str,
    states: Iterable[str],
    checkpoint: Checkpoint,
) -> dict[str, tuple[str, ...]]:
    """Names of a group's parameters to their ids: a plain value is the id itself.

    A tensor is known by the state that has it as its key.
    """
    keys = {}
    for each in states:
        tensor = checkpoint.tensors.get(f"{prefix}state.{each}")
        if tensor is not None:
            keys[tensor.identity] = each

    def identified(name: str) -> str:
        if name in checkpoint.values:
            return str(checkpoint.values[name])
        # A parameter that has no state is known by its own name.
        return keys.get(checkpoint.tensors[name].identity, name)

    return {group: tuple(map(identified, names)) for group, names in groups.items()}


def number_at(checkpoint: Checkpoint, name: str) -> float | None:
    """A finite number by name: a plain value, or a tensor of one element."""
    value: object = checkpoint.values.get(name)
    if name in checkpoint.tensors and checkpoint.tensors[name].size == 1:
        value = checkpoint.tensors[name].load().item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
