"""Recurrent parameters that stand in a file but were not read: sparse, meta, float8, a shard."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rnndiag.containers.checkpoint import Skipped
from rnndiag.recognise.layers import Unrecognised
from rnndiag.recognise.names import is_optimizer_state, is_second_view, parse


def unread(skipped: Iterable[Skipped], present: Iterable[str] = ()) -> dict[str, Unrecognised]:
    """Why a module cannot be measured, by its name; filed under its W_hh where that is one of them.

    A module is refused for any of its parameters: one whose biases were left out would look like a
    network that has none. Two of PyTorch's names in one module are certainly a recurrence's.
    """
    found: dict[str, Unrecognised] = {}
    parameters: dict[str, int] = {}
    for item in skipped:
        parameter = parse(item.name)
        if parameter is None or is_optimizer_state(item.name) or is_second_view(item.name):
            continue
        parameters[parameter.module] = parameters.get(parameter.module, 0) + 1
        if parameter.module not in found or (
            parameter.role == "weight_hh" and "weight_hh" not in found[parameter.module].name
        ):
            found[parameter.module] = Unrecognised(item.name, (), item.reason)
    for name in present if found else ():
        parameter = parse(name)
        if parameter is not None and parameter.module in found:
            parameters[parameter.module] += 1
    return {
        module: replace(entry, certain=parameters[module] > 1) for module, entry in found.items()
    }
