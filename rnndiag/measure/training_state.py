"""What an optimizer's state in the file says of the gradients it has seen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from rnndiag.containers.checkpoint import Checkpoint, StoredTensor
from rnndiag.recognise.optimizers import Optimizer, optimizers
from rnndiag.recognise.parameters import match_parameters
from rnndiag.recognise.settings import (
    Setting,
    clip_setting,
    epoch_setting,
    loss_scales,
    sequence_length_setting,
)

__all__ = [
    "ParameterGradient",
    "Setting",
    "TrainingState",
    "clip_setting",
    "sequence_length_setting",
    "training_state",
]

OptimizerKind = Literal["adam", "adamw", "amsgrad", "rmsprop", "adagrad", "sgd-momentum", "unknown"]

ROUND_NUMBERS = (1.0, 2.0, 2.5, 5.0, 10.0)
"""What people choose as clip values, within a decade."""

ROUND_TOLERANCE = 0.01
"""R of a run that is always clipped lies this near its clip value (measured: 0.0499 at 0.05)."""


class ParameterGradient(NamedTuple):
    """The size of one parameter's gradients, as its second moment tells it."""

    name: str
    """Of the parameter where it is known, else that of its state."""

    rms: float
    """Root mean square over elements and recent steps."""

    state: str
    """Name of its state in the file, "optimizer.state.0"."""


@dataclass(frozen=True)
class TrainingState:
    """One optimizer's state, summed up."""

    optimizer: OptimizerKind

    step: int | None
    """Steps taken, the most of any parameter."""

    learning_rate: float | None
    """Of the first parameter group."""

    parameters: int
    """Parameters that have state."""

    not_mapped: str | None
    """Why it is not known which parameter each state belongs to; None if it is, of all of them."""

    gradient_rms_norm: float | None
    """R = sqrt(sum of exp_avg_sq / (1 - beta2^t)) over all parameters: the root mean square,
    weighted by beta2^(t-s), of the norms of the gradients the optimizer saw at steps s, after
    clipping. None where `absent` says why."""

    absent: str | None
    """Why there is no gradient_rms_norm."""

    non_finite: int
    """Values in the running averages that are NaN or infinite."""

    per_parameter: tuple[ParameterGradient, ...]
    """In the order of the file."""

    caveats: tuple[str, ...]
    """What to bear in mind about gradient_rms_norm, in plain sentences."""

    clipped_at: float | None = None
    """The round number that gradient_rms_norm lies at: probably a clip value that always held."""

    epoch: int | None = None
    """Of training, as the file counts it."""

    loss_scale: float | None = None
    """Of a gradient scaler for mixed precision, whose state is in the file."""

    @property
    def mapped(self) -> bool:
        """Whether every state's parameter is known."""
        return self.not_mapped is None


SECOND_MOMENT: Mapping[OptimizerKind, tuple[str, str | None]] = {
    "adam": ("exp_avg_sq", "betas.1"),
    "adamw": ("exp_avg_sq", "betas.1"),
    "amsgrad": ("exp_avg_sq", "betas.1"),
    "rmsprop": ("square_avg", "alpha"),
    "adagrad": ("sum", None),
}
"""Running average of squared gradients, and the setting it decays by."""

DECOUPLING: frozenset[OptimizerKind] = frozenset({"adam", "amsgrad"})
"""Kinds whose file may be that of a variant whose weight decay bypasses the averages."""


def training_state(
    checkpoint: Checkpoint, companion: Checkpoint | None = None
) -> TrainingState | None:
    """What the optimizer's state says of its gradients; None where the file has no such state.

    A companion is a file beside the model's that holds the optimizer's state.

    Adam's second moment is v_t = (1-b) sum_s b^(t-s) g_s^2, b = beta2, so v_t / (1-b^t) is the
    weighted mean of g_s^2, and R^2 its sum over all elements. RMSprop has the same with alpha;
    Adagrad's (sum - initial) / t weighs all steps alike. Kingma & Ba 2015, algorithm 1.
    """
    files = (checkpoint,) if companion is None else (companion, checkpoint)
    found = optimizers(files[0])
    if not found:
        return None
    chosen = max(found, key=lambda optimizer: len(optimizer.states))
    kind = _kind(chosen)
    match = match_parameters(chosen, checkpoint)
    scales = [scale for file in files for scale in loss_scales(file)]
    epochs = [epoch for file in files if (epoch := epoch_setting(file)) is not None]
    squares, absent = _mean_squares(chosen, kind)
    norm = None if absent else math.sqrt(sum(square.total for square in squares))
    steps = [step for name in chosen.states if (step := chosen.step(name)) is not None]
    rates = chosen.settings("lr")
    return TrainingState(
        optimizer=kind,
        step=int(max(steps)) if steps else None,
        learning_rate=rates[0] if rates else None,
        parameters=len(chosen.states),
        not_mapped=match.reason,
        gradient_rms_norm=norm,
        absent=absent,
        non_finite=sum(map(_non_finite, _averages(chosen))),
        per_parameter=tuple(
            _gradient(square, f"{chosen.prefix}state.{square.parameter}", match.names)
            for square in squares
        ),
        caveats=(*_several(found, chosen), *_caveats(chosen, kind, norm, scales)),
        clipped_at=None if norm is None else _round_number(norm),
        epoch=epochs[0] if epochs else None,
        loss_scale=scales[0].value if scales else None,
    )


def _kind(optimizer: Optimizer) -> OptimizerKind:
    """Which optimizer keeps such averages."""
    keys = {key for state in optimizer.states.values() for key in state}
    if "max_exp_avg_sq" in keys:
        return "amsgrad"
    if "exp_avg_sq" in keys:
        return "adamw" if optimizer.decoupled else "adam"
    if "square_avg" in keys and "acc_delta" not in keys:
        return "rmsprop"
    if "sum" in keys:
        return "adagrad"
    return "sgd-momentum" if keys == {"momentum_buffer"} else "unknown"


def _averages(optimizer: Optimizer) -> Iterator[StoredTensor]:
    """All running averages."""
    for state in optimizer.states.values():
        yield from state.values()


def _non_finite(tensor: StoredTensor) -> int:
    """How many values are NaN or infinite."""
    return tensor.size - int(np.count_nonzero(np.isfinite(tensor.load())))


class MeanSquare(NamedTuple):
    """The mean over steps of one parameter's squared gradient norm."""

    parameter: str
    total: float
    size: int


def _gradient(square: MeanSquare, state: str, names: Mapping[str, str]) -> ParameterGradient:
    """A mean square under the parameter's own name, or its state's."""
    rms = math.sqrt(square.total / square.size)
    return ParameterGradient(names.get(square.parameter, state), rms, state)


def _mean_squares(optimizer: Optimizer, kind: OptimizerKind) -> tuple[list[MeanSquare], str | None]:
    """Of every parameter that tells it and has been stepped, and why another does not tell."""
    if kind not in SECOND_MOMENT:
        return [], "no second moment of the gradients: not in this file"
    squares: list[MeanSquare] = []
    reasons: list[str] = []
    for parameter in optimizer.states:
        total = _mean_square(optimizer, parameter, *SECOND_MOMENT[kind])
        if isinstance(total, str):
            reasons.append(total)
        elif total is not None:
            size = optimizer.states[parameter][SECOND_MOMENT[kind][0]].size
            squares.append(MeanSquare(parameter, total, size))
    if not squares and not reasons:
        reasons.append("no step has been taken")
    return squares, reasons[0] if reasons else None


def _mean_square(
    optimizer: Optimizer, parameter: str, key: str, decay_name: str | None
) -> float | str | None:
    """Sum of a second moment without its bias; a text where it is not told, None before step 1."""
    moment, step = optimizer.states[parameter].get(key), optimizer.step(parameter)
    if moment is None:
        return f"a parameter has no {key} in this file"
    if step is None:
        return "the number of steps is not in this file"
    if step < 1:
        return None
    weight = _weight(optimizer, parameter, decay_name, step)
    if weight is None:
        return f"{decay_name}, the decay of the second moment, is not in this file"
    with np.errstate(all="ignore"):
        total = float(np.sum(moment.load(), dtype=np.float64))
    if not math.isfinite(total) or total < 0:
        return "a second moment holds values that no gradients give"
    if decay_name is None:
        initial = optimizer.setting("initial_accumulator_value", parameter) or 0.0
        total = max(total - initial * moment.size, 0.0)
    return total / weight


def _weight(
    optimizer: Optimizer, parameter: str, decay_name: str | None, step: float
) -> float | None:
    """What a second moment would be if every squared gradient had been 1."""
    if decay_name is None:
        return step
    decay = optimizer.setting(decay_name, parameter)
    return None if decay is None or not 0 <= decay < 1 else float(1 - decay**step)


def _several(found: Sequence[Optimizer], chosen: Optimizer) -> Iterator[str]:
    """That others were left out."""
    if len(found) > 1:
        where = f"{chosen.prefix}state"
        yield f"{len(found)} optimizers in the file: only {where}, with the most state, is counted"


def _caveats(
    optimizer: Optimizer, kind: OptimizerKind, norm: float | None, scales: Sequence[Setting]
) -> Iterator[str]:
    """What to bear in mind about R: one sentence each."""
    if norm is None:
        return
    if any(optimizer.settings("weight_decay")) and optimizer.decoupled is not True:
        doubtful = optimizer.decoupled is None and kind in DECOUPLING
        yield f"{'unless it is AdamW, ' if doubtful else ''}includes weight decay * weights"
    for name, scale in scales:
        yield (
            f"a loss scaler's state is in the file ({name} = {scale:g}): if gradients were not "
            "unscaled before the step, the norms are that many times too large"
        )
    clip = _round_number(norm)
    if clip is not None:
        yield f"probably clipped at {clip:g}: the true norms are gone"


def _round_number(norm: float) -> float | None:
    """The round number within a hundredth of a norm."""
    if norm <= 0:
        return None
    decade = 10.0 ** math.floor(math.log10(norm))
    for mantissa in ROUND_NUMBERS:
        value = float(f"{mantissa * decade:.3g}")
        if math.isfinite(value) and abs(norm - value) <= ROUND_TOLERANCE * value:
            return value
    return None
