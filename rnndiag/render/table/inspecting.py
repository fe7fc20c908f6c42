"""The table of `inspect`."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from rnndiag.analysis import FileResult
from rnndiag.render.shared.file import SHOWN_NAMES, imports, training
from rnndiag.render.shared.layers import (
    cell_name,
    moved_tensors,
    seen_in_training,
    sizes,
    time_constants,
)
from rnndiag.render.table.names import LayerName
from rnndiag.render.table.parts import bullets, table
from rnndiag.rules import Limits
from rnndiag.rules.rd102 import untrained


def show(result: FileResult, limits: Limits) -> Iterator[RenderableType]:
    """Layers, training state, and everything that was not recognised or read."""
    yield _layers(result)
    yield bullets(_notes(result, limits))


def _layers(result: FileResult) -> RenderableType:
    made = table(
        *("layer", "cell", "in > hidden", "values", "moved", "gate memory"),
        left=("layer", "cell", "values", "moved"),
    )
    for item in result.layers:
        layer, health = item.layer, item.weights
        values = layer.weight_hh.dtype
        if health.non_finite:
            values += f", {health.non_finite} NaN or inf"
        made.add_row(
            LayerName(layer.label),
            cell_name(layer),
            sizes(layer),
            Text(values, style="bold red" if health.non_finite else ""),
            moved_tensors(health.moved_from_init),
            time_constants(item),
        )
    return made


def _notes(result: FileResult, limits: Limits) -> Iterator[str]:
    yield "moved: tensors with values outside ±1/sqrt(hidden), the box PyTorch initialises in"
    yield from (
        f"{item.layer.label}: W_hh still lies as it was drawn while W_ih does not: was it "
        "trained on sequences of length 1?"
        for item in result.layers
        if untrained(item, limits["RD102"])
    )
    if any(item.weights.gate_time_constants for item in result.layers):
        yield (
            "gate memory: time constant in steps, median (range) over units, that the two biases "
            "of the forget or update gate give on their own"
        )
    yield from (
        f"{item.layer.label}: {seen_in_training(item.in_training)}"
        for item in result.layers
        if item.in_training is not None
    )
    assumed = {a: item.layer.label for item in result.layers for a in item.layer.assumptions}
    yield from (f"{label}: {assumption}" for assumption, label in assumed.items())
    yield training(result.training_state)
    yield from result.checkpoint.notes[:SHOWN_NAMES]
    if result.checkpoint.sha256 is not None:
        yield f"checksums agree; sha256 {result.checkpoint.sha256}"
    unrecognised = result.recognition.unrecognised
    for entry in unrecognised[:SHOWN_NAMES]:
        shape = " x ".join(map(str, entry.shape))
        yield f"not measured: {entry.name} ({shape}): {entry.reason}"
    if len(unrecognised) > SHOWN_NAMES:
        yield f"… and {len(unrecognised) - SHOWN_NAMES} more not measured (--format json has all)"
    for skipped in result.checkpoint.skipped[:SHOWN_NAMES]:
        yield f"not read: {skipped.name}: {skipped.reason}"
    yield from imports(result.checkpoint.foreign_imports)
