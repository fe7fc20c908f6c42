"""Clip values by their norms: the file's own, round numbers, and those of two digits."""

from __future__ import annotations

import numpy as np
import pytest

from rnndiag.containers.checkpoint import Checkpoint, StoredTensor
from rnndiag.measure.training_state import training_state


def with_norm(norm, **values):
    """A file whose Adam state has this norm, and settings beside it."""
    tensor = StoredTensor("float64", (1,), (0,), lambda: np.array([norm**2]))
    values = {"state.0.step": 1, "param_groups.0.betas.1": 0.0, "param_groups.0.params.0": 0} | {
        f"hparams.{name}": value for name, value in values.items()
    }
    return Checkpoint("f", "torch-zip", 0, {"state.0.exp_avg_sq": tensor}, values)


@pytest.mark.parametrize(
    ("norm", "settings", "expected"),
    [
        (0.4999, {}, 0.5),
        (0.4951, {}, 0.5),
        (0.4949, {}, None),
        # Nothing that was clipped is larger than its clip value.
        (0.5002, {}, None),
        (1.0000065, {}, 1.0),
        (9.95, {}, 10.0),
        (0.5, {"max_grad_norm": 5.0}, None),
        (0.738, {"max_grad_norm": 0.74}, 0.74),
        (0.73, {"max_grad_norm": 0.74}, None),
        (0.738, {}, None),
        (0.370002, {}, 0.37),
        (0.37002, {}, None),
        (0.37, {"max_grad_norm": 0.74}, None),
        (0.5, {"gradient_clip_val": 0.5, "gradient_clip_algorithm": "value"}, None),
        (0.0, {}, None),
    ],
)
def test_the_files_own_clip_value_is_believed_before_round_numbers(norm, settings, expected):
    state = training_state(with_norm(norm, **settings))
    assert state.clipped_at == expected
    assert any("probably clipped" in caveat for caveat in state.caveats) == (expected is not None)
