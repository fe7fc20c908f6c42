"""Whether the tensors under one prefix fit together: every complaint names the keys and shapes."""

from __future__ import annotations

from collections.abc import Iterator

from rnndiag.recognise.layers import Direction, Unrecognised
from rnndiag.recognise.names import ParameterName, Role, join, parse, suffix
from rnndiag.recognise.slots import Named, Slots, Stack, cell_of, is_bias
from rnndiag.recognise.strangers import stranger

DIRECTIONS: tuple[Direction, ...] = ("forward", "reverse")


def complaints(stack: Stack) -> list[Unrecognised]:
    """Everything that keeps a stack from being measured; deeper checks need the earlier ones."""
    if stack.refused:
        return [_refused(stack, plain) for plain in stack.refused]
    found = []
    for _, slots in stack.ordered():
        reason = next(_within_layer(slots), None)
        if reason is not None:
            found.append(_entry(slots, reason))
    if not found:
        reason = next(_between_layers(stack), stranger(stack))
        if reason is not None:
            found.append(_entry(stack.ordered()[0][1], reason))
    return found


def _entry(slots: Slots, reason: str) -> Unrecognised:
    """A complaint, filed under the layer's recurrent matrix or what comes nearest to it."""
    nearest = slots.get("weight_hh", slots.get("weight_ih", next(iter(slots.values()))))
    return Unrecognised(nearest.key, nearest.tensor.shape, reason, _is_certain(slots))


def _is_certain(slots: Slots) -> bool:
    """Whether two of PyTorch's own names stand together with as many rows.

    One of another size beside them is damaged; that there is a recurrence is not in doubt.
    """
    rows = [named.tensor.shape[:1] for named in slots.values() if named.tensor.size]
    return any(rows.count(size) > 1 for size in rows if size)


def _refused(stack: Stack, plain: str) -> Unrecognised:
    """A weight that is stored in parts which do not give it."""
    refused = stack.refused[plain]
    named = next(
        named
        for slots in stack.positions.values()
        for named in slots.values()
        if named.key == refused.parts[0]
    )
    # A wrapper keeps PyTorch's own name in those of its parts, and leaves the others beside them.
    return Unrecognised(named.key, named.tensor.shape, refused.reason, certain=len(stack.names) > 1)


def _within_layer(slots: Slots) -> Iterator[str]:
    """What is wrong within one layer and direction. Stop at the first."""
    present = next(iter(slots.values()))
    required: tuple[Role, ...] = ("weight_hh", "weight_ih")
    for role in required:
        if role not in slots:
            yield f"{_sibling(present.key, role)} is missing although {present} is there"
    for role, named in slots.items():
        yield from unusable(role, named)
    yield from _disagreements(slots)
    if cell_of(slots) is None:
        yield _no_cell(slots)


def _sibling(key: str, role: Role) -> str:
    """The name another parameter of the same layer has."""
    name = parse(key)
    if name is None:
        return role
    return ParameterName(name.module, role, name.layer, name.direction).key


def unusable(role: Role, named: Named) -> Iterator[str]:
    """Why a tensor cannot be a weight or a bias at all."""
    tensor = named.tensor
    if not tensor.is_floating:
        yield f"{named} is {tensor.dtype}: recurrent weights must be floating-point numbers"
    elif not tensor.shape:
        yield f"{named.key} has no dimensions"
    elif tensor.size == 0:
        yield f"{named} is empty"
    elif role.startswith("weight") and len(tensor.shape) != 2:
        yield f"{named} is no matrix"
    elif role.startswith("bias") and not is_bias(tensor, tensor.size):
        yield f"{named} is no vector"


def _disagreements(slots: Slots) -> Iterator[str]:
    """Tensors of one layer that cannot belong together."""
    hidden, inputs = slots["weight_hh"], slots["weight_ih"]
    rows = hidden.tensor.shape[0]
    if inputs.tensor.shape[0] != rows:
        yield f"{inputs} and {hidden} disagree in their rows"
    biases: tuple[Role, ...] = ("bias_ih", "bias_hh")
    for role, other in (biases, biases[::-1]):
        if role not in slots:
            continue
        if not is_bias(slots[role].tensor, rows):
            yield f"{slots[role]} and {hidden} disagree in their rows"
        if other not in slots:
            yield f"{_sibling(hidden.key, other)} is missing although {slots[role]} is there"


def _no_cell(slots: Slots) -> str:
    """Why no cell has these shapes."""
    hidden = slots["weight_hh"]
    if "weight_hr" in slots:
        return f"{slots['weight_hr']} and {hidden} disagree: a projected LSTM has (P, H), (4H, P)"
    return (
        f"{hidden} is no plain RNN's (H, H), GRU's (3H, H) or LSTM's (4H, H), and a projected "
        f"LSTM would have {_sibling(hidden.key, 'weight_hr')} beside it"
    )


def _between_layers(stack: Stack) -> Iterator[str]:
    """Layers, each sound by itself, that cannot be one module. Stop at the first."""
    ordered = stack.ordered()
    first, last = ordered[0][1], ordered[-1][1]
    depths = {layer for layer, _ in stack.positions}
    if None in depths:
        if len(depths) > 1:
            yield f"{first['weight_hh']} is a cell's, but {last['weight_hh']} is a layer's"
        return
    directions = 2 if any(direction == "reverse" for _, direction in stack.positions) else 1
    yield from _missing_layers(stack, len(depths), directions)
    for _, slots in ordered[1:]:
        yield from _unlike(first, slots)
    yield from _broken_chain(stack, len(depths), directions)


def _missing_layers(stack: Stack, depth: int, directions: int) -> Iterator[str]:
    """Layers below the highest that are not there, and directions that some layers lack."""
    last = stack.ordered()[-1][1]["weight_hh"]
    for layer in range(depth):
        for direction in DIRECTIONS[:directions]:
            if (layer, direction) not in stack.positions:
                name = join(stack.module, f"weight_hh{suffix(layer, direction)}")
                yield f"{name} is missing although {last} is there"


def _unlike(first: Slots, other: Slots) -> Iterator[str]:
    """How a layer differs from the first one, as in no module of PyTorch."""
    for role in sorted(first.keys() ^ other.keys()):
        present, lacking = (first, other) if role in first else (other, first)
        name = _sibling(lacking["weight_hh"].key, role)
        yield f"{name} is missing although {present[role]} is there"
    if first["weight_hh"].tensor.shape != other["weight_hh"].tensor.shape:
        yield f"{first['weight_hh']} and {other['weight_hh']} disagree"


def _broken_chain(stack: Stack, depth: int, directions: int) -> Iterator[str]:
    """Layers whose input is not as wide as what the layer below hands on."""
    for layer in range(depth):
        for direction in DIRECTIONS[:directions]:
            inputs = stack.positions[layer, direction]["weight_ih"]
            below = stack.positions[max(layer - 1, 0), "forward"]
            if layer == 0 and inputs.tensor.shape[1] != below["weight_ih"].tensor.shape[1]:
                yield f"{inputs} and {below['weight_ih']} disagree in their inputs"
            width = below["weight_hh"].tensor.shape[1] * directions
            if layer > 0 and inputs.tensor.shape[1] != width:
                yield f"{inputs} takes no input of width {width}, as {below['weight_hh']} gives"
