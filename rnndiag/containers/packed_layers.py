"""The weights of a dynamically quantised LSTM or GRU, under the names that PyTorch gives them.

`torch.ao.quantization.quantize_dynamic` packs each layer and direction into one object; a file
keeps the parts of that object by position: two biases, and two quantised matrices.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from rnndiag.containers.checkpoint import StoredTensor, Value

_MARK = "_all_weight_values."
_PACKED = re.compile(
    r"(?P<module>.*?)_all_weight_values\.(?P<entry>\d{1,4})\.param\."
    r"(?:(?:0\.1|1\.0)\.(?P<bias>[01])|(?:0\.4\.(?P<state>[01])\.0\.0|4\.0\.(?P<script>[01])\.0))"
)
"""A state dictionary's form, and TorchScript's: position 0 is _ih, position 1 is _hh."""


def unpacked(
    tensors: dict[str, StoredTensor], values: Mapping[str, Value]
) -> dict[str, StoredTensor]:
    """The same tensors, those of packed layers as "weight_ih_l0" and so on.

    A module whose directions cannot be told keeps the names of its parts.
    """
    parts = {
        name: found for name in tensors if _MARK in name and (found := _PACKED.fullmatch(name))
    }
    inputs: dict[str, list[tuple[int, ...]]] = {part["module"]: [] for part in parts.values()}
    for name, part in parts.items():
        if "0" in (part["state"], part["script"]):
            inputs[part["module"]].append(tensors[name].shape)
    directions = {module: _directions(module, shapes, values) for module, shapes in inputs.items()}
    renamed = {name: _plain(name, parts.get(name), directions) for name in tensors}
    if len(set(renamed.values())) != len(tensors):
        return tensors
    return {renamed[name]: stored for name, stored in tensors.items()}


def _directions(
    module: str, inputs: list[tuple[int, ...]], values: Mapping[str, Value]
) -> int | None:
    """1 or 2, from the module's own word or the shapes of its input matrices, layer by layer."""
    if not inputs or any(len(shape) != 2 for shape in inputs):
        return None
    word = values.get(f"{module}bidirectional")
    if isinstance(word, bool):
        return 2 if word else 1
    if len(inputs) % 2 or inputs[0] != inputs[1]:
        return 1
    if len(inputs) > 2:
        return 2 if inputs[2] != inputs[1] else 1
    # Two layers of as many inputs as units look like two directions of one layer.
    return None if inputs[0][0] in (3 * inputs[0][-1], 4 * inputs[0][-1]) else 2


def _plain(name: str, part: re.Match[str] | None, directions: Mapping[str, int | None]) -> str:
    count = directions[part["module"]] if part else None
    if part is None or count is None:
        return name
    kind = "bias" if part["bias"] else "weight"
    side = "ih" if "0" in (part["bias"], part["state"], part["script"]) else "hh"
    layer, reverse = divmod(int(part["entry"]), count)
    return f"{part['module']}{kind}_{side}_l{layer}{'_reverse' * reverse}"
