"""Names and shapes to recurrent layers, and what was not recognised and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace

from rnndiag.containers.checkpoint import Checkpoint
from rnndiag.recognise.absence import explain_absence
from rnndiag.recognise.companions import embeddings, other_matrices, readouts
from rnndiag.recognise.declare import Declaration, parse_declaration
from rnndiag.recognise.declared import apply
from rnndiag.recognise.layers import Recognition, RecurrentLayer, RecurrentModule, Unrecognised
from rnndiag.recognise.lookalikes import Found, grouped, lookalikes
from rnndiag.recognise.names import model_tensors
from rnndiag.recognise.slots import stacks
from rnndiag.recognise.stacks import build
from rnndiag.recognise.strangers import kind_of
from rnndiag.recognise.unread import unread
from rnndiag.recognise.wrappers import unwrap

__all__ = ["Declaration", "explain_absence", "parse_declaration", "recognise"]


def recognise(checkpoint: Checkpoint, declarations: Sequence[Declaration] = ()) -> Recognition:
    """Find the recurrent layers of a checkpoint by its tensors' names and shapes alone.

    Raises RnndiagError for a declaration that fits no tensor, several, or none of its shape.
    """
    unwrapped = unwrap(model_tensors(checkpoint))
    tensors = unwrapped.tensors
    modules: list[RecurrentModule] = []
    complaints: list[Found] = []
    measured: set[str] = set()
    broken: set[str] = set()
    incomplete = unread(checkpoint.skipped, tensors)
    for stack in stacks(tensors, unwrapped.refused):
        module, said = (None, []) if stack.module in incomplete else build(stack, checkpoint.values)
        (broken if module is None else measured).update(stack.names)
        modules += [] if module is None else [module]
        complaints += [Found.said(entry, stack.names, kind_of(entry.reason)) for entry in said]
    modules = _without_copies(modules)
    found = lookalikes(tensors, measured, broken, checkpoint.values)
    for declaration in declarations:
        modules = apply(declaration, tensors, modules)
    modules = [_with_remarks(module, unwrapped.rebuilt) for module in modules]
    used = {key for module in modules for layer in module.flat for key in layer.keys}
    claimed = measured | broken
    return Recognition(
        modules=tuple(sorted(modules, key=lambda module: module.name)),
        unrecognised=(
            *(entry for entry in incomplete.values() if entry.name not in used),
            *_unmeasured(complaints, found, used),
        ),
        embedding_candidates=embeddings(tensors),
        readout_candidates=readouts(tensors, modules, claimed | used),
        other_matrices=other_matrices(tensors, claimed | used),
    )


def _unmeasured(
    complaints: Sequence[Found], found: Sequence[Found], used: Set[str]
) -> Iterator[Unrecognised]:
    """What no declaration took up. A recurrence of a known kind is not a damaged one of another."""
    known = {name for each in found for name in each.names}
    left = [each for each in complaints if known.isdisjoint(each.names)]
    yield from grouped([each for each in left if each.name not in used])
    yield from grouped([each for each in found if used.isdisjoint(each.names)])


def _without_copies(modules: Sequence[RecurrentModule]) -> list[RecurrentModule]:
    """Modules that are a second name of the same storage left out; the first in the file stays."""
    kept: dict[tuple[object, ...], RecurrentModule] = {}
    for module in modules:
        storages = tuple(
            None if tensor is None else tensor.identity
            for layer in module.flat
            for tensor in layer.tensors
        )
        kept.setdefault(storages, module)
    return list(kept.values())


def _with_remarks(module: RecurrentModule, rebuilt: Mapping[str, str]) -> RecurrentModule:
    """A module whose layers say which of their tensors are not stored as such."""

    def said(layer: RecurrentLayer) -> RecurrentLayer:
        remarks = tuple(rebuilt[key] for key in layer.keys if key in rebuilt)
        return replace(layer, assumptions=(*layer.assumptions, *remarks)) if remarks else layer

    return replace(module, layers=tuple(tuple(map(said, depth)) for depth in module.layers))
