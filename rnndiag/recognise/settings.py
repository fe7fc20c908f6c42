"""Training's own hyper-parameters in checkpoints, where their names leave no doubt.

Of several files, as a model's and its optimizer's, what one says is as good as what another says.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rnndiag.containers.checkpoint import Checkpoint
from rnndiag.recognise.optimizers import number_at

CLIP_NAMES = frozenset(
    {"max_grad_norm", "max_gradient_norm", "clip_grad_norm", "clip_gradient_norm"}
    | {"grad_norm_clip", "gradient_clip_val", "gradient_clip", "gradient_clipping"}
    | {"grad_clip", "clip_grad", "clip_gradient", "clip_gradients"}
)
"""The norm at which gradients are clipped, as Lightning, transformers and others call it."""

VALUE_NAMES = frozenset({"clip_grad_value", "clip_grad_value_"})
"""The bound on every element of the gradients, as torch calls it."""

TRUNCATION_NAMES = frozenset(
    {"bptt", "bptt_len", "bptt_steps", "tbptt", "tbptt_steps", "truncated_bptt_steps"}
)
"""The number of steps after which states are detached, as Lightning and language models call it."""


class Setting(NamedTuple):
    """A hyper-parameter found in the file."""

    name: str
    """Its full name; the first, where the file says it several times."""

    value: float


def clip_setting(*files: Checkpoint) -> Setting | None:
    """The norm at which gradients were clipped; None where no file says or they disagree."""
    return _agreed(
        setting
        for file in files
        for setting in _named(file, CLIP_NAMES)
        if not _clips_by_value(file, setting.name)
    )


def value_clip_setting(*files: Checkpoint) -> Setting | None:
    """The bound at which single elements of the gradients were clipped; None as above."""
    return _agreed(
        setting
        for file in files
        for setting in _named(file, CLIP_NAMES | VALUE_NAMES)
        if setting.name.rpartition(".")[2] in VALUE_NAMES or _clips_by_value(file, setting.name)
    )


def truncation_setting(*files: Checkpoint) -> Setting | None:
    """Every how many steps states were detached; None where no file says or they disagree."""
    return _agreed(setting for file in files for setting in _whole_numbers(file, TRUNCATION_NAMES))


def epoch_setting(checkpoint: Checkpoint) -> int | None:
    """The epoch at the root of the file, else the only one below it; None where none is said."""
    named = {
        name: value
        for name, value in checkpoint.values.items()
        if name.rpartition(".")[2] == "epoch"
        and isinstance(value, int)
        and not isinstance(value, bool)
    }
    if "epoch" in named:
        return named["epoch"]
    return next(iter(named.values())) if len(set(named.values())) == 1 else None


def loss_scales(checkpoint: Checkpoint) -> Iterable[Setting]:
    """Name and scale of every torch.amp.GradScaler's state, and apex's."""
    for name in (*checkpoint.values, *checkpoint.tensors):
        module, _, key = name.rpartition(".")
        beside = f"{module}.growth_factor" if module else "growth_factor"
        if key == "loss_scale" or (key == "scale" and beside in checkpoint.values):
            scale = number_at(checkpoint, name)
            if scale is not None:
                yield Setting(name, scale)


def float16_setting(checkpoint: Checkpoint) -> bool:
    """Whether a setting asks for float16, as Lightning's and transformers' do."""
    return any(
        (name.rpartition(".")[2] == "precision" and str(value).lower() in FLOAT16)
        or (name.rpartition(".")[2] in {"fp16", "use_amp"} and value is True)
        for name, value in checkpoint.values.items()
    )


FLOAT16 = frozenset({"16", "16-mixed", "16-true", "fp16", "half", "float16"})


def _named(checkpoint: Checkpoint, names: frozenset[str]) -> Iterable[Setting]:
    """Positive numbers under one of some names."""
    for name in checkpoint.values:
        if name.rpartition(".")[2] in names:
            number = number_at(checkpoint, name)
            if number is not None and number > 0:
                yield Setting(name, number)


def _whole_numbers(checkpoint: Checkpoint, names: frozenset[str]) -> Iterable[Setting]:
    """Positive integers under one of some names."""
    for setting in _named(checkpoint, names):
        if isinstance(checkpoint.values[setting.name], int):
            yield Setting(setting.name, int(setting.value))


def _clips_by_value(checkpoint: Checkpoint, name: str) -> bool:
    """Lightning's other algorithm, whose setting is no norm."""
    module, dot, _ = name.rpartition(".")
    return checkpoint.values.get(f"{module}{dot}gradient_clip_algorithm") == "value"


def _agreed(settings: Iterable[Setting]) -> Setting | None:
    """The first of several settings that all have one value."""
    found = list(settings)
    return found[0] if len({setting.value for setting in found}) == 1 else None
