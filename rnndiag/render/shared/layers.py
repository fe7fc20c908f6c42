"""A layer in words: its cell, its widths, its weights."""

from __future__ import annotations

from rnndiag.analysis import LayerResult
from rnndiag.measure.training_scale import TrainingScale
from rnndiag.recognise.layers import RecurrentLayer

FEATURES_SHOWN = 4
"""Input features whose sizes are named one by one; of more, the range."""


def cell_name(layer: RecurrentLayer) -> str:
    """Name it: "LSTM", "GRU", "RNN tanh"."""
    return f"RNN {layer.activation}" if layer.cell == "rnn" else layer.cell.upper()


def sizes(layer: RecurrentLayer) -> str:
    """Name the widths: "64 > 128", or "64 > 128 > 32" with a projection."""
    projected = "" if layer.projection_size is None else f" > {layer.projection_size}"
    return f"{layer.input_size} > {layer.hidden_size}{projected}"


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


def seen_in_training(scale: TrainingScale) -> str:
    """What the optimizer remembers: "inputs of about 0.4 and 3 in training, …"."""
    sizes = [f"{value:.2g}" for value in scale.inputs]
    if len(sizes) > FEATURES_SHOWN:
        low, high = f"{scale.inputs.min():.2g}", f"{scale.inputs.max():.2g}"
        shown = low if low == high else f"{low} to {high}"
    else:
        shown = " and ".join(sizes)
    return (
        f"inputs of about {shown} in training, states of about {scale.hidden:.2g} (root mean "
        f"squares, by {scale.said_by})"
    )
