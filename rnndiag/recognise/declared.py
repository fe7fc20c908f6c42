"""Following a declaration: a corrected activation, or a recurrence built from named tensors."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from rnndiag.containers.checkpoint import StoredTensor
from rnndiag.recognise.consistency import unusable
from rnndiag.recognise.declare import Declaration, usage
from rnndiag.recognise.layers import GATES, RecurrentLayer, RecurrentModule
from rnndiag.recognise.names import Role, parent
from rnndiag.recognise.neighbours import Neighbourhood
from rnndiag.recognise.slots import Named, Slots, cell_by_shape, is_bias
from rnndiag.recognise.stacks import assemble, assumed_tanh

MOST_NAMES = 6
"""Names shown in one message: more do not fit on a line."""

SEARCHED = 5000
"""Names compared with a mistyped one: comparing takes time quadratic in their length."""


def nearest_names(name: str, names: Iterable[str]) -> list[str]:
    """The names most like a mistyped one, best first."""
    pool = list(itertools.islice(names, SEARCHED))
    return difflib.get_close_matches(name, pool, n=MOST_NAMES, cutoff=0.4)


def listed(names: Sequence[str]) -> str:
    """Names for a message, cut where there are too many."""
    shown = ", ".join(names[:MOST_NAMES])
    return f"{shown} and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else shown


def apply(
    declaration: Declaration,
    tensors: Mapping[str, StoredTensor],
    modules: Sequence[RecurrentModule],
) -> list[RecurrentModule]:
    """The modules with one declaration followed. Raises RnndiagError where it cannot be."""
    matched = _matches(declaration.name, tensors)
    layers = [layer for module in modules for layer in module.flat]
    hits = [layer for layer in layers if layer.keys[0] in matched]
    if hits:
        corrected = _corrected(declaration, hits)
        return [_with(module, corrected) for module in modules]
    if len(matched) > 1:
        raise usage(
            f"--as {declaration} fits several tensors: {listed(matched)}", "name one of them"
        )
    taken = {key for layer in layers for key in layer.keys}
    names = {module.name for module in modules}
    return [*modules, _declared(declaration, matched[0], tensors, taken, names)]


def _matches(name: str, tensors: Mapping[str, StoredTensor]) -> list[str]:
    """The tensors a name or a glob means."""
    matched = [name] if name in tensors else [key for key in tensors if fnmatchcase(key, name)]
    if not matched:
        near = nearest_names(name, tensors) or list(tensors)
        raise usage(f"no tensor is called {name!r}", f"the nearest names are {listed(near)}")
    return matched


def _corrected(
    declaration: Declaration, hits: Sequence[RecurrentLayer]
) -> dict[str, RecurrentLayer]:
    """Layers recognised already, with the declared activation, by the name of weight_hh."""
    fitting = [layer for layer in hits if layer.cell == declaration.cell]
    exact = declaration.name == hits[0].keys[0]
    if not fitting:
        shapes = listed([f"{layer.keys[0]} {layer.weight_hh.shape}" for layer in hits])
        raise usage(
            f"--as {declaration} contradicts the shapes: {shapes} is {hits[0].cell}",
            f"write {hits[0].keys[0]}={hits[0].cell}" if exact else "name the cell that fits",
        )
    if declaration.input_name or declaration.bias_names:
        raise usage(
            f"--as {declaration}: {fitting[0].label} has been recognised with its input and biases",
            "leave out input= and bias=",
        )
    return {layer.keys[0]: _with_activation(layer, declaration) for layer in fitting}


def _with_activation(layer: RecurrentLayer, declaration: Declaration) -> RecurrentLayer:
    """A layer whose assumption is replaced by what was declared."""
    if declaration.activation is None or layer.cell != "rnn":
        return layer
    others = tuple(text for text in layer.assumptions if not text.startswith("activation"))
    return replace(
        layer,
        activation=declaration.activation,
        assumptions=(*others, f"activation {declaration.activation} as declared with --as"),
    )


def _with(module: RecurrentModule, corrected: Mapping[str, RecurrentLayer]) -> RecurrentModule:
    """A module with some layers exchanged."""
    layers = tuple(
        tuple(corrected.get(layer.keys[0], layer) for layer in depth) for depth in module.layers
    )
    return replace(module, layers=layers)


def _declared(
    declaration: Declaration,
    name: str,
    tensors: Mapping[str, StoredTensor],
    taken: set[str],
    module_names: set[str],
) -> RecurrentModule:
    """A module of one layer from the tensors that were named, or found beside them."""
    near = Neighbourhood(tensors, taken)
    hidden = _usable(declaration, "weight_hh", name, tensors)
    _check_cell(declaration, hidden)
    slots: Slots = {"weight_hh": hidden}
    slots["weight_ih"] = _input_matrix(declaration, hidden, tensors, near)
    slots.update(_biases(declaration, slots, tensors, near))
    module = parent(name) if parent(name) not in module_names else name
    layer = assemble(
        module,
        (None, "forward"),
        slots,
        cell=declaration.cell,
        activation=declaration.activation or "tanh",
        assumptions=_assumptions(declaration, slots),
    )
    return RecurrentModule(module, ((layer,),))


def _check_cell(declaration: Declaration, hidden: Named) -> None:
    """Raise where the declared cell cannot have a matrix of this shape."""
    cell = cell_by_shape(hidden.tensor.shape)
    if cell == declaration.cell:
        return
    rows, columns = hidden.tensor.shape
    wanted = (GATES[declaration.cell] * columns, columns)
    raise usage(
        f"--as {declaration} contradicts the shape: {hidden} should be {wanted}",
        f"{rows} rows are those of {cell}" if cell else "rnn is (H, H), gru (3H, H), lstm (4H, H)",
    )


def _assumptions(declaration: Declaration, slots: Slots) -> tuple[str, ...]:
    """What was declared, and what had to be assumed besides."""
    used = ", ".join(f"{role} {named.key}" for role, named in slots.items())
    said = (f"declared with --as: {used}",)
    if declaration.cell == "rnn" and declaration.activation is None:
        return (*said, assumed_tanh(slots["weight_hh"].key))
    return said


def _usable(
    declaration: Declaration, role: Role, name: str, tensors: Mapping[str, StoredTensor]
) -> Named:
    """A named tensor that can play its part."""
    if name not in tensors:
        near = nearest_names(name, tensors) or list(tensors)
        raise usage(
            f"--as {declaration}: no tensor is called {name!r}",
            f"the nearest names are {listed(near)}",
        )
    named = Named(name, tensors[name])
    for reason in unusable(role, named):
        raise usage(f"--as {declaration}: {reason}", "name a tensor of weights")
    return named


def _input_matrix(
    declaration: Declaration,
    hidden: Named,
    tensors: Mapping[str, StoredTensor],
    near: Neighbourhood,
) -> Named:
    """The input matrix that was named, or the only one that fits."""
    if declaration.input_name is None:
        fitting = near.input_matrices(hidden.key)
        if len(fitting) != 1:
            reason = f"several fit: {listed(fitting)}" if fitting else "none has as many rows"
            raise usage(
                f"--as {declaration} needs its input matrix, and {reason}",
                f"add ,input=NAME to --as {declaration}",
            )
        return Named(fitting[0], tensors[fitting[0]])
    inputs = _usable(declaration, "weight_ih", declaration.input_name, tensors)
    if inputs.tensor.shape[0] != hidden.tensor.shape[0]:
        raise usage(
            f"--as {declaration}: {inputs} and {hidden} disagree in their rows",
            "name an input matrix with as many rows",
        )
    return inputs


def _biases(
    declaration: Declaration,
    slots: Slots,
    tensors: Mapping[str, StoredTensor],
    near: Neighbourhood,
) -> Slots:
    """Biases that were named, or else those beside the two matrices."""
    hidden, inputs = slots["weight_hh"], slots["weight_ih"]
    rows = hidden.tensor.shape[0]
    found: Slots = {}
    beside: tuple[tuple[Role, str | None], ...] = (
        ("bias_ih", near.bias_of(inputs.key)),
        ("bias_hh", near.bias_of(hidden.key)),
    )
    if not declaration.bias_names:
        for role, name in beside:
            if name is not None and tensors[name].is_floating and is_bias(tensors[name], rows):
                found[role] = Named(name, tensors[name])
        return found
    owned = {name: role for role, name in beside}
    for name in sorted(declaration.bias_names, key=lambda name: name not in owned):
        free: Role = "bias_hh" if "bias_ih" in found else "bias_ih"
        role = owned.get(name, free)
        found[role] = _usable(declaration, role, name, tensors)
        if not is_bias(found[role].tensor, rows):
            raise usage(
                f"--as {declaration}: {found[role]} and {hidden} disagree in their rows",
                "name a bias with as many rows",
            )
    return found
