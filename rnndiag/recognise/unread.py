"""Recurrent parameters that stand in a file but were not read: sparse, meta, float8, a shard."""

from __future__ import annotations

from collections.abc import Iterable

from rnndiag.containers.checkpoint import Skipped
from rnndiag.recognise.layers import Unrecognised
from rnndiag.recognise.names import is_optimizer_state, is_second_view, parse


def unread(skipped: Iterable[Skipped]) -> dict[str, Unrecognised]:
    """Why a module cannot be measured, by its name; filed under its W_hh where that is one of them.

    A module is refused for any of its parameters: one whose biases were left out would look like a
    network that has none.
    """
    found: dict[str, Unrecognised] = {}
    for item in skipped:
        parameter = parse(item.name)
        if parameter is None or is_optimizer_state(item.name) or is_second_view(item.name):
            continue
        if parameter.module not in found or (
            parameter.role == "weight_hh" and "weight_hh" not in found[parameter.module].name
        ):
            found[parameter.module] = Unrecognised(item.name, (), item.reason, certain=True)
    return found
