"""What the layers are, and what training left in the file."""

from __future__ import annotations

from collections.abc import Iterator

from rnndiag.analysis import FileResult, LayerResult
from rnndiag.render.html.element import Child
from rnndiag.render.html.parts import bullets, chip, shortened, table
from rnndiag.render.shared.file import training
from rnndiag.render.shared.layers import cell_name, moved_tensors, sizes, time_constants

HEADERS = ("layer", "cell", "input > hidden", "values", "moved", "gate memory", "verdict")


def show(result: FileResult) -> Iterator[Child]:
    """A row a layer, then what the columns mean and what was assumed."""
    yield table("Recurrent layers", HEADERS, [_row(item) for item in result.layers], named=True)
    yield bullets(_notes(result))


def _row(item: LayerResult) -> list[Child]:
    values = item.layer.weight_hh.dtype
    if item.weights.non_finite:
        values += f", {item.weights.non_finite} NaN or inf"
    return [
        item.layer.label,
        cell_name(item.layer),
        sizes(item.layer),
        values,
        moved_tensors(item.weights.moved_from_init),
        time_constants(item),
        "-" if item.trace is None else chip(item.trace.verdict),
    ]


def _notes(result: FileResult) -> Iterator[str]:
    yield (
        "Moved: tensors with values outside ±1/sqrt(hidden), the box PyTorch initialises in. "
        "Weights that never left it may never have been trained."
    )
    if any(item.weights.gate_time_constants for item in result.layers):
        yield (
            "Gate memory: the number of steps that the forget or update gate remembers by its two "
            "biases alone, median over units (shortest to longest)."
        )
    assumed = {a: item.layer.label for item in result.layers for a in item.layer.assumptions}
    yield from shortened([f"{label}: {assumption}" for assumption, label in assumed.items()])
    state = training(result.training_state)
    yield f"{state[:1].upper()}{state[1:]}."
    yield from shortened(result.checkpoint.notes)
    if result.checkpoint.sha256 is not None:
        yield f"Checksums agree; sha256 {result.checkpoint.sha256}."
