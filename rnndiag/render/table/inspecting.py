"""The table of `inspect`."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from rnndiag.analysis import FileResult, LayerResult
from rnndiag.measure.training_state import TrainingState
from rnndiag.render.base import number
from rnndiag.render.table.names import LayerName
from rnndiag.render.table.parts import bullets, cell_name, sizes, table

SHOWN_NAMES = 8
"""Unrecognised tensors and imports that are listed; JSON has all of them."""


def show(result: FileResult) -> Iterator[RenderableType]:
    """Layers, training state, and everything that was not recognised or read."""
    yield _layers(result)
    yield bullets(_notes(result))


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


def moved_tensors(moved: dict[str, bool]) -> str:
    """Which tensors left the box they were initialised in."""
    still = [name for name, has_moved in moved.items() if not has_moved]
    if not still:
        return "all"
    short = " ".join(name.replace("weight_", "W_").replace("bias_", "b_") for name in still)
    return "none" if len(still) == len(moved) else f"all but {short}"


def time_constants(item: LayerResult) -> str:
    """Median and range of what a gate's biases remember; a dash without a gate."""
    found = item.weights.gate_time_constants
    if not found:
        return "-"
    tau = found[0]
    return f"{tau.median:.3g} ({tau.shortest:.3g}-{tau.longest:.3g})"


def _notes(result: FileResult) -> Iterator[str]:
    yield "moved: tensors with values outside ±1/sqrt(hidden), the box PyTorch initialises in"
    yield from (
        f"{item.layer.label}: W_hh never left that box while W_ih did: was it trained on sequences "
        "of length 1?"
        for item in result.layers
        if item.weights.recurrence_untrained
    )
    if any(item.weights.gate_time_constants for item in result.layers):
        yield (
            "gate memory: time constant in steps, median (range) over units, that the two biases "
            "of the forget or update gate give on their own"
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


def training(state: TrainingState | None) -> str:
    """What the optimizer left, in one line."""
    if state is None:
        return "no optimizer state in the file; --optimizer FILE reads it from one of its own"
    norm = (
        f"gradient norm {number(state.gradient_rms_norm)} (root mean square of the last steps)"
        if state.gradient_rms_norm is not None
        else f"no gradient norm: {state.absent}"
    )
    mapped = (
        f"mapped to {state.parameters} of {state.parameters} parameters"
        if state.mapped
        else f"not mapped to parameters: {state.not_mapped}"
    )
    return (
        f"optimizer state: {state.optimizer}, step {number(state.step)}, "
        f"learning rate {number(state.learning_rate)}, {norm}, {mapped}"
    )


def imports(foreign: tuple[str, ...]) -> Iterator[str]:
    """What a trusting load would have imported beyond torch itself."""
    if foreign:
        more = f" and {len(foreign) - SHOWN_NAMES} more" if len(foreign) > SHOWN_NAMES else ""
        listed = ", ".join(foreign[:SHOWN_NAMES])
        yield f"nothing was executed; torch.load would have imported {listed}{more}"
