"""What the optimizer's state says, as JSON."""

from __future__ import annotations

from rnndiag.measure.training_state import TrainingState
from rnndiag.render.json.plain import Object


def show(state: TrainingState | None) -> Object | None:
    """The keys of `training_state`; None where the file has none."""
    if state is None:
        return None
    return {
        "optimizer": state.optimizer,
        "step": state.step,
        "epoch": state.epoch,
        "learning_rate": state.learning_rate,
        "loss_scale": state.loss_scale,
        "parameters": state.parameters,
        "gradient_rms_norm": state.gradient_rms_norm,
        "effective_steps": state.effective_steps,
        "clipped_at": state.clipped_at,
        "absent": state.absent,
        "non_finite_values": state.non_finite,
        "mapped": state.mapped,
        "not_mapped": state.not_mapped,
        "per_parameter": {p.name: p.rms for p in state.per_parameter},
        "caveats": state.caveats,
    }
