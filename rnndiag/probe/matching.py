"""Which module of a checkpoint a record is of: by the ends of their names, and by their shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, TypeVar

from rnndiag.errors import InputCode, RnndiagError
from rnndiag.probe.records import Probe, RecordedModule, Sizes
from rnndiag.recognise.layers import ROOT, RecurrentLayer, RecurrentModule

WRAPPERS = frozenset({"module", "_orig_mod"})
"""Parts of a name that DataParallel and torch.compile put in."""

Item = TypeVar("Item")


def fitted(probe: Probe, modules: Sequence[RecurrentModule]) -> Probe:
    """The same probe with a checkpoint's names; what fits no module is left out.

    Two names fit where one ends with the other, wrappers aside. The longest common end wins, then
    the nearest length, then the same shape.

    Raises RnndiagError (RD007) where no name fits, several do, or the shapes are another model's.
    """
    found: dict[str, RecordedModule] = {}
    best = [(module, record) for module in modules for record in _best_records(module, probe)]
    for record in probe.modules.values():
        claiming = [module for module, of_module in best if of_module is record]
        for module in _best_modules(record, claiming, probe):
            _require_same(record, module)
            found[module.name] = record
    if not found:
        raise RnndiagError(
            InputCode.USAGE,
            f"the probe {probe.path} records {_listed(probe.modules)}, "
            f"the checkpoint has {_listed(module.name for module in modules)}",
            "capture the model of this checkpoint",
        )
    return replace(probe, modules=found)


def _best_records(module: RecurrentModule, probe: Probe) -> list[RecordedModule]:
    """The record that a module's name fits best; none or, of equal ones, that of its shape."""
    alike = [r for r in probe.modules.values() if _likeness(module.name, r.name) is not None]
    closest = _best(alike, lambda record: _likeness(module.name, record.name))
    chosen = _of_shape(closest, lambda record: record.sizes == sizes_of(module))
    if len(chosen) > 1:
        raise _ambiguous(probe, [record.name for record in chosen], [module.name])
    return chosen


def _best_modules(
    record: RecordedModule, claiming: Sequence[RecurrentModule], probe: Probe
) -> list[RecurrentModule]:
    """Of the modules that take this record for theirs the one with most right to it."""
    closest = _best(claiming, lambda module: _likeness(module.name, record.name))
    chosen = _of_shape(closest, lambda module: sizes_of(module) == record.sizes)
    if len(chosen) > 1:
        raise _ambiguous(probe, [record.name], [module.name for module in chosen])
    return chosen


def _best(items: Sequence[Item], score: Callable[[Item], tuple[int, int] | None]) -> list[Item]:
    scores = [score(item) or (0, 0) for item in items]
    return [item for item, mine in zip(items, scores, strict=True) if mine == max(scores)]


def _of_shape(items: Sequence[Item], same: Callable[[Item], bool]) -> list[Item]:
    """Those of the same shape; all of them where none is, so that the message can name one."""
    return [item for item in items if same(item)] or list(items)


def _likeness(left: str, right: str) -> tuple[int, int] | None:
    """Parts in common, and how near in length; None where neither name ends with the other.

    >>> _likeness("model_state_dict.encoder.rnn", "module.encoder.rnn")
    (2, -1)
    """
    a, b = _parts(left), _parts(right)
    common = min(len(a), len(b))
    if a[len(a) - common :] != b[len(b) - common :]:
        return None
    return common, -abs(len(a) - len(b))


def _parts(name: str) -> list[str]:
    return [part for part in name.split(".") if part and part not in WRAPPERS]


def sizes_of(module: RecurrentModule) -> Sizes:
    """A module's sizes as a record has them."""
    memory = module.layers[0][0].hidden_size if module.cell == "lstm" else None
    return module.input_size, len(module.flat), module.output_size, memory


def _require_same(record: RecordedModule, module: RecurrentModule) -> None:
    """Raise RD007 for a record of another network."""
    activation = module.layers[0][0].activation
    kind = f"rnn_{activation}" if module.cell == "rnn" else module.cell
    theirs, ours = record.name or ROOT, module.name or ROOT
    if record.sizes != sizes_of(module) or record.kind.partition("_")[0] != module.cell:
        raise RnndiagError(
            InputCode.USAGE,
            f"the probe's {theirs} is {_described(record.kind, record.sizes)}, "
            f"the checkpoint's {ours} is {_described(kind, sizes_of(module))}",
            "capture the model of this checkpoint",
        )
    if record.kind != kind and not module.flat[0].activation_is_assumed:
        used = record.kind.partition("_")[2]
        raise RnndiagError(
            InputCode.USAGE,
            f"the probe's {theirs} has the activation {used}, {ours} is taken to have {activation}",
            f"declare it with --as '*weight_hh*=rnn:{used}'",
        )


def with_recorded_activation(module: RecurrentModule, probe: Probe) -> RecurrentModule:
    """A module whose assumed activation is replaced by what a fitted probe recorded."""
    record = probe.modules.get(module.name)
    if record is None or not module.flat[0].activation_is_assumed:
        return module
    activation = ACTIVATIONS[record.kind.partition("_")[2]]

    def settled(layer: RecurrentLayer) -> RecurrentLayer:
        others = tuple(text for text in layer.assumptions if not text.startswith("activation"))
        said = f"activation {activation} as the probe recorded it"
        return replace(layer, activation=activation, assumptions=(*others, said))

    return replace(module, layers=tuple(tuple(map(settled, depth)) for depth in module.layers))


ACTIVATIONS: Mapping[str, Literal["tanh", "relu"]] = {"tanh": "tanh", "relu": "relu"}


def _described(kind: str, sizes: Sizes) -> str:
    width, layers, output, memory = sizes
    cell_state = "" if memory is None else f" and c_0 ({layers}, B, {memory})"
    return f"{kind} with x (T, B, {width}), h_0 ({layers}, B, {output}){cell_state}"


def _ambiguous(probe: Probe, records: Iterable[str], modules: Iterable[str]) -> RnndiagError:
    return RnndiagError(
        InputCode.USAGE,
        f"by name and shape {_listed(records)} in the probe {probe.path} may be "
        f"{_listed(modules)} in the checkpoint, and not only one of them",
        "capture the whole model, or choose a module with --layer",
    )


def _listed(names: Iterable[str]) -> str:
    shown = sorted(name or ROOT for name in names)
    return ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "")
