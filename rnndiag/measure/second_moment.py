"""Mean squares of gradients out of an optimizer's running averages, the bias taken out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from rnndiag.recognise.optimizers import Optimizer

OptimizerKind = Literal[
    "adam", "adamw", "amsgrad", "rmsprop", "adagrad", "adadelta", "sgd-momentum", "unknown"
]

TITLES: Mapping[OptimizerKind, str] = {
    "adam": "Adam",
    "adamw": "AdamW",
    "amsgrad": "AMSGrad",
    "rmsprop": "RMSprop",
    "adagrad": "Adagrad",
    "adadelta": "Adadelta",
    "sgd-momentum": "SGD momentum",
    "unknown": "optimizer's",
}
"""What people call them, before the word "state"."""

SECOND_MOMENT: Mapping[OptimizerKind, tuple[str, str | None]] = {
    "adam": ("exp_avg_sq", "betas.1"),
    "adamw": ("exp_avg_sq", "betas.1"),
    "amsgrad": ("exp_avg_sq", "betas.1"),
    "rmsprop": ("square_avg", "alpha"),
    "adagrad": ("sum", None),
    "adadelta": ("square_avg", "rho"),
}
"""Running average of squared gradients, and the setting it decays by."""


KEPT: Mapping[OptimizerKind, frozenset[str]] = {
    "adam": frozenset({"step", "exp_avg", "exp_avg_sq", "mu_product"}),
    "adamw": frozenset({"step", "exp_avg", "exp_avg_sq"}),
    "amsgrad": frozenset({"step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"}),
    "rmsprop": frozenset({"step", "square_avg", "momentum_buffer", "grad_avg"}),
    "adagrad": frozenset({"step", "sum"}),
    "adadelta": frozenset({"step", "square_avg", "acc_delta"}),
}
"""All that torch's own optimizers keep of a parameter, NAdam and RAdam among Adam's. One that keeps
more is another: Ranger averages centralised gradients, SOAP rotated ones, Prodigy scaled ones."""

OTHERS_SETTINGS = frozenset(
    {
        "k",
        "alpha",
        "N_sma_threshhold",
        "N_sma_threshold",
        "use_gc",
        "gc_gradient_only",
        "gc_conv_only",
    }
    | {"trust_clip", "grad_averaging", "always_adapt", "d", "d0", "d_coef", "rectify", "lookahead"}
    | {"precondition_frequency", "max_precond_dim", "hessian_power", "rho"}
)
"""Settings of optimizers that keep what Adam keeps and average something else: Lookahead and Ranger
without its copies, gradient centralisation, LAMB, Prodigy, AdaBelief, SOAP, AdaHessian."""


class MeanSquare(NamedTuple):
    """The mean over steps of one parameter's squared gradient norm."""

    parameter: str
    total: float
    size: int
    steps: float
    """How many steps it averages over, see `effective_steps`."""


def optimizer_kind(optimizer: Optimizer) -> OptimizerKind:
    """Which of torch's optimizers keeps such averages; "unknown" where one keeps anything else."""
    kind = _likeliest(optimizer)
    if kind not in KEPT:
        return kind
    foreign = kind in ADAMS and not OTHERS_SETTINGS.isdisjoint(optimizer.setting_names)
    return "unknown" if foreign or not optimizer.kept <= KEPT[kind] else kind


ADAMS = frozenset({"adam", "adamw", "amsgrad"})


def _likeliest(optimizer: Optimizer) -> OptimizerKind:
    keys = {key for state in optimizer.states.values() for key in state}
    if "max_exp_avg_sq" in keys:
        return "amsgrad"
    if "exp_avg_sq" in keys:
        return "adamw" if optimizer.decoupled else "adam"
    if "square_avg" in keys:
        return "adadelta" if "acc_delta" in keys else "rmsprop"
    if "sum" in keys:
        return "adagrad"
    return "sgd-momentum" if keys == {"momentum_buffer"} else "unknown"


def mean_squares(optimizer: Optimizer, kind: OptimizerKind) -> tuple[list[MeanSquare], str | None]:
    """Of every parameter that tells it and has been stepped, and why another does not tell.

    Adam's second moment is v_t = (1-b) sum_s b^(t-s) g_s^2, b = beta2, so v_t / (1-b^t) is the
    weighted mean of g_s^2. RMSprop and Adadelta have the same; Adagrad's (sum - initial) / t weighs
    all steps alike. Kingma & Ba 2015, algorithm 1.
    """
    if kind not in SECOND_MOMENT:
        return [], _untold(optimizer)
    squares: list[MeanSquare] = []
    reasons: list[str] = []
    for parameter in optimizer.states:
        found = _mean_square(optimizer, parameter, *SECOND_MOMENT[kind])
        if isinstance(found, str):
            reasons.append(found)
        elif found is not None:
            squares.append(found)
    if not squares and not reasons:
        reasons.append("no step has been taken")
    return squares, reasons[0] if reasons else None


def _untold(optimizer: Optimizer) -> str:
    """Why a kind without a second moment that is known tells nothing of the gradients."""
    if any("_sq" in key or key == "square_avg" for key in optimizer.kept):
        return (
            "the optimizer is not one of torch's: what its second moment averages is not known "
            f"(it keeps {', '.join(sorted(optimizer.kept))})"
        )
    return "no second moment of the gradients: not in this file"


def effective_steps(decay: float, step: float) -> float:
    """How many equal weights average as well as decay^(t-s), s = 1 … t: (Σ w)² / Σ w² (Kish 1965).

    That is (1 - b^t)(1 + b) / ((1 - b)(1 + b^t)), between 1 and (1 + b) / (1 - b); t for b = 1.

    >>> round(effective_steps(0.999, 1e6)), round(effective_steps(0.999, 10), 3)
    (1999, 10.0)
    """
    if decay == 1.0:
        return step
    last: float = decay**step
    return (1 - last) * (1 + decay) / ((1 - decay) * (1 + last))


def _mean_square(
    optimizer: Optimizer, parameter: str, key: str, decay_name: str | None
) -> MeanSquare | str | None:
    """A second moment without its bias; a text where it is not told, None before step 1."""
    moment, step = optimizer.states[parameter].get(key), optimizer.step(parameter)
    if moment is None:
        return f"a parameter has no {key} in this file"
    if step is None:
        return "the number of steps is not in this file"
    if step < 1:
        return None
    decay = 1.0 if decay_name is None else optimizer.setting(decay_name, parameter)
    if decay is None or (decay_name is not None and not 0 <= decay < 1):
        return f"{decay_name}, the decay of the second moment, is not in this file"
    with np.errstate(all="ignore"):
        total = float(np.sum(moment.load(), dtype=np.float64))
    if not math.isfinite(total) or total < 0:
        return "a second moment contains NaN, inf or a negative sum"
    if decay_name is None:
        initial = optimizer.setting("initial_accumulator_value", parameter) or 0.0
        total = max(total - initial * moment.size, 0.0)
    weight = step if decay_name is None else 1 - decay**step
    return MeanSquare(parameter, total / weight, moment.size, effective_steps(decay, step))
