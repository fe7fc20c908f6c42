"""A training state without a file, for advice that only looks at a few of its numbers."""

from __future__ import annotations

import math

from rnndiag.measure.training_state import ParameterGradient, TrainingState


def state(parts: dict[str, float] | None = None, **more) -> TrainingState:
    """R² by parameter, each of ten elements; `more` overrides what follows from it."""
    parts = {"rnn.weight_hh_l0": 1.0} if parts is None else parts
    known = {
        "optimizer": "adam",
        "step": 5000,
        "learning_rate": 1e-3,
        "parameters": len(parts),
        "not_mapped": None,
        "gradient_rms_norm": math.sqrt(sum(parts.values())),
        "absent": None,
        "non_finite": 0,
        "per_parameter": tuple(
            ParameterGradient(name, math.sqrt(part / 10), f"state.{number}", 10)
            for number, (name, part) in enumerate(parts.items())
        ),
        "caveats": (),
        "effective_steps": 1999.0,
        "epsilon": 1e-8,
    }
    return TrainingState(**{**known, **more})
