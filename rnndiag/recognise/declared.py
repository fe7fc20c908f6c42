"""Following a declaration: a corrected activation, or a recurrence built from named tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from rnndiag.containers.checkpoint import StoredTensor
from rnndiag.recognise.declare import Declaration, usage
from rnndiag.recognise.declared_layer import declared_layer, declared_slots
from rnndiag.recognise.layers import RecurrentLayer, RecurrentModule
from rnndiag.recognise.listing import listed, nearest
from rnndiag.recognise.names import parent


def apply(
    declaration: Declaration,
    tensors: Mapping[str, StoredTensor],
    modules: Sequence[RecurrentModule],
) -> list[RecurrentModule]:
    """The modules with one declaration followed. Raises RnndiagError where it cannot be."""
    matched = _matches(declaration.name, tensors)
    layers = (layer for module in modules for layer in module.flat)
    hits = [layer for layer in layers if layer.keys[0] in matched]
    if hits:
        corrected = _corrected(declaration, hits)
        return [_with(module, corrected) for module in modules]
    if len(matched) > 1:
        raise usage(
            f"--as {declaration} fits several tensors: {listed(matched)}", "name one of them"
        )
    return [*modules, _declared(declaration, matched[0], tensors, modules)]


def _matches(name: str, tensors: Mapping[str, StoredTensor]) -> list[str]:
    """The tensors a name or a glob means."""
    matched = [name] if name in tensors else [key for key in tensors if fnmatchcase(key, name)]
    if not matched:
        raise usage(f"no tensor is called {name!r}", nearest(name, tensors))
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
    modules: Sequence[RecurrentModule],
) -> RecurrentModule:
    """A module of one layer that no other has recognised."""
    taken = {key for module in modules for layer in module.flat for key in layer.keys}
    slots = declared_slots(declaration, name, tensors, taken)
    named_alike = any(module.name == parent(name) for module in modules)
    module = name if named_alike else parent(name)
    return RecurrentModule(module, ((declared_layer(declaration, module, slots),),))
