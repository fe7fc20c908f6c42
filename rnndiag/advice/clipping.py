"""A clip value: from the gradients that the optimizer saw, else a convention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rnndiag.measure.training_state import TrainingState

CONVENTION = 1.0
"""max_norm that most training scripts start from (the default of Hugging Face's Trainer, too)."""

SPREAD = (0.5, 10.0)
"""Pascanu, Mikolov & Bengio 2013: half to ten times the average norm gives similar training."""

PERCENTILE = 95
"""Of logged norms: clips the rare spikes and leaves ordinary steps alone."""

LOG_NORMS = (
    "log the norms that clip_grad_norm_ returns over 100 steps and rerun with --norms FILE, one "
    "norm a line"
)
"""What to supply where the file cannot tell."""


@dataclass(frozen=True)
class ClippingAdvice:
    """A value for `torch.nn.utils.clip_grad_norm_` and what it rests on."""

    max_norm: float
    """Norm over all parameters together, in the units of the loss that was trained."""

    basis: Literal["logged-norms", "optimizer-state", "already-clipped", "convention"]

    reasonable_range: tuple[float, float] | None
    """Where to search around a measured value; None for the convention."""

    reason: str
    """One sentence: where the value comes from."""

    caveats: tuple[str, ...] = ()
    setting: tuple[str, float] | None = None
    """Name and value of a clip setting that the file itself holds."""


def advise_clipping(
    state: TrainingState | None,
    setting: tuple[str, float] | None = None,
    logged: Sequence[float] = (),
) -> ClippingAdvice:
    """Take the 95th percentile of logged norms, else the optimizer state's R, else the convention.

    R is the root mean square norm of the last gradients; at a round number it is the clip value
    that was in force.
    """
    if logged:
        return _from_logged(logged, setting)
    norm = None if state is None else state.gradient_rms_norm
    if state is None or norm is None or norm <= 0.0:
        return ClippingAdvice(
            max_norm=CONVENTION,
            basis="convention",
            reasonable_range=None,
            reason=_convention_reason(state),
            setting=setting,
        )
    if state.clipped_at is not None:
        return ClippingAdvice(
            max_norm=state.clipped_at,
            basis="already-clipped",
            reasonable_range=None,
            reason=(
                f"the {state.optimizer} state's gradient norm, {norm:.4g}, lies at a round number: "
                "the gradients were probably clipped there at every step, so how large they were "
                f"before is gone; {LOG_NORMS}"
            ),
            setting=setting,
        )
    return ClippingAdvice(
        max_norm=float(f"{norm:.2g}"),
        basis="optimizer-state",
        reasonable_range=(SPREAD[0] * norm, SPREAD[1] * norm),
        reason=(
            f"the {state.optimizer} state holds the gradients' root mean square norm over its last "
            f"steps: {norm:.4g}, as the optimizer saw them, after any clipping"
        ),
        caveats=(*state.caveats, "spikes do not show in it: compare with logged norms"),
        setting=setting,
    )


def _from_logged(logged: Sequence[float], setting: tuple[str, float] | None) -> ClippingAdvice:
    value = float(f"{np.percentile(logged, PERCENTILE):.3g}")
    fired = float(np.mean(np.asarray(logged) > value))
    return ClippingAdvice(
        max_norm=value,
        basis="logged-norms",
        reasonable_range=None,
        reason=(
            f"95th percentile of {len(logged)} logged norms (median {np.median(logged):.4g}, "
            f"largest {max(logged):.4g}); it would have clipped {fired:.1%} of those steps"
        ),
        setting=setting,
    )


def _convention_reason(state: TrainingState | None) -> str:
    if state is None:
        missing = "the file holds no optimizer state"
    elif state.gradient_rms_norm == 0.0:
        missing = f"every gradient that the {state.optimizer} state has seen was zero"
    else:
        missing = f"the {state.optimizer} state gives no gradient norm ({state.absent})"
    return f"convention, not measured: {missing}; {LOG_NORMS}"
