"""What an optimizer's state in the file says of the gradients it has seen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rnndiag.containers.checkpoint import Checkpoint, StoredTensor
from rnndiag.measure.clip_value import clip_value_at
from rnndiag.measure.second_moment import MeanSquare, OptimizerKind, mean_squares, optimizer_kind
from rnndiag.recognise.optimizers import Optimizer, optimizers
from rnndiag.recognise.parameters import match_parameters
from rnndiag.recognise.settings import Setting, epoch_setting, loss_scales


class ParameterGradient(NamedTuple):
    """The size of one parameter's gradients, as its second moment tells it."""

    name: str
    """Of the parameter where it is known, else that of its state."""

    rms: float
    """Root mean square over elements and recent steps."""

    state: str
    """Name of its state in the file, "optimizer.state.0"."""

    size: int
    """Elements."""

    @property
    def mean_square(self) -> float:
        """What this parameter adds to R^2: the mean of its squared gradient norm."""
        return self.rms**2 * self.size


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
    """The clip value that gradient_rms_norm lies at, so that it held at nearly every step: the
    file's own where it names one, else a round number, which is probable."""

    effective_steps: float | None = None
    """About how many of the last steps gradient_rms_norm averages over."""

    adds_weight_decay: bool = False
    """Whether weight decay is, or may be, added to the gradients before they are averaged."""

    weight_decay: float | None = None
    """The largest of any parameter group; None where the file names none."""

    epsilon: float | None = None
    """What is added to the root of the second moment, of the first parameter group."""

    epoch: int | None = None
    """Of training, as the file counts it."""

    loss_scale: float | None = None
    """Of a gradient scaler for mixed precision, whose state is in the file."""

    contradicted: bool = False
    """Whether the state fits no order of the model's tensors: it is another model's."""

    @property
    def mapped(self) -> bool:
        """Whether every state's parameter is known."""
        return self.not_mapped is None


DECOUPLING: frozenset[OptimizerKind] = frozenset({"adam", "amsgrad"})
"""Kinds whose file may be that of a variant whose weight decay bypasses the averages."""


def training_state(
    checkpoint: Checkpoint, companion: Checkpoint | None = None
) -> TrainingState | None:
    """What the optimizer's state says of its gradients; None where the file has no such state.

    A companion is a file beside the model's that holds the optimizer's state.

    R^2 is the sum of all parameters' mean squares, see `mean_squares`.
    """
    files = (checkpoint,) if companion is None else (companion, checkpoint)
    found = optimizers(files[0])
    if not found:
        return None
    chosen = max(found, key=lambda optimizer: len(optimizer.states))
    kind = optimizer_kind(chosen)
    match = match_parameters(chosen, checkpoint)
    scales = [scale for file in files for scale in loss_scales(file)]
    epochs = [epoch for file in files if (epoch := epoch_setting(file)) is not None]
    squares, absent = mean_squares(chosen, kind)
    decays = [each for each in chosen.settings("weight_decay") if each is not None]
    norm = None if absent else math.sqrt(sum(square.total for square in squares))
    clipped_at = None if norm is None else clip_value_at(norm, files)
    caveats = [*_several(found, chosen), *_caveats(chosen, kind, norm, scales)]
    if clipped_at is not None:
        caveats.append(f"probably clipped at {clipped_at:g}: the true norms are gone")
    return TrainingState(
        optimizer=kind,
        step=_step(chosen),
        learning_rate=next(iter(chosen.settings("lr")), None),
        parameters=len(chosen.states),
        not_mapped=match.reason,
        gradient_rms_norm=norm,
        absent=absent,
        non_finite=sum(map(_non_finite, _averages(chosen))),
        per_parameter=tuple(
            _gradient(square, f"{chosen.prefix}state.{square.parameter}", match.names)
            for square in squares
        ),
        caveats=tuple(caveats),
        clipped_at=clipped_at,
        effective_steps=max((square.steps for square in squares), default=None),
        adds_weight_decay=_adds_weight_decay(chosen),
        weight_decay=max(filter(None, decays), default=0.0) if decays else None,
        epsilon=next(iter(chosen.settings("eps")), None),
        epoch=epochs[0] if epochs else None,
        loss_scale=scales[0].value if scales else None,
        contradicted=match.contradicted,
    )


def _step(optimizer: Optimizer) -> int | None:
    """Steps taken, the most of any parameter."""
    steps = [step for each in optimizer.states if (step := optimizer.step(each)) is not None]
    return int(max(steps)) if steps else None


def _averages(optimizer: Optimizer) -> Iterator[StoredTensor]:
    """All running averages."""
    for state in optimizer.states.values():
        yield from state.values()


def _non_finite(tensor: StoredTensor) -> int:
    """How many values are NaN or infinite."""
    return tensor.size - int(np.count_nonzero(np.isfinite(tensor.load())))


def _gradient(square: MeanSquare, state: str, names: Mapping[str, str]) -> ParameterGradient:
    """A mean square under the parameter's own name, or its state's."""
    rms = math.sqrt(square.total / square.size)
    return ParameterGradient(names.get(square.parameter, state), rms, state, square.size)


def _several(found: Sequence[Optimizer], chosen: Optimizer) -> Iterator[str]:
    """That others were left out."""
    if len(found) > 1:
        where = f"{chosen.prefix}state"
        yield f"{len(found)} optimizers in the file: only {where}, with the most state, is counted"


def _adds_weight_decay(optimizer: Optimizer) -> bool:
    return any(optimizer.settings("weight_decay")) and optimizer.decoupled is not True


def _caveats(
    optimizer: Optimizer, kind: OptimizerKind, norm: float | None, scales: Sequence[Setting]
) -> Iterator[str]:
    """What to bear in mind about R: one sentence each."""
    if norm is None:
        return
    if _adds_weight_decay(optimizer):
        doubtful = optimizer.decoupled is None and kind in DECOUPLING
        yield f"{'unless it is AdamW, ' if doubtful else ''}includes weight decay * weights"
    for name, scale in scales:
        yield (
            f"a loss scaler's state is in the file ({name} = {scale:g}): if gradients were not "
            "unscaled before the step, the norms are that many times too large"
        )
