"""Which parameters a gradient norm comes from, by the optimizer's second moments."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from rnndiag.measure.training_state import TrainingState
from rnndiag.recognise.layers import RecurrentModule


class NormShare(NamedTuple):
    """One parameter's part in the squared norm."""

    name: str
    share: float


@dataclass(frozen=True)
class NormShares:
    """R² taken apart: a clip value holds back whatever is largest in it."""

    parameters: tuple[NormShare, ...]
    """Largest first; the shares add up to 1."""

    recurrent: float
    """Share of all recurrent layers' parameters together."""

    recurrent_norm: float
    """Root mean square norm of the gradients of these alone."""


def norm_shares(
    state: TrainingState | None, modules: Iterable[RecurrentModule]
) -> NormShares | None:
    """None where the optimizer's state does not tell, or not which parameter is whose."""
    if state is None or not state.gradient_rms_norm or not state.mapped:
        return None
    total = sum(one.mean_square for one in state.per_parameter)
    if not 0.0 < total < math.inf:
        return None
    modules = tuple(modules)
    keys = {key for module in modules for layer in module.flat for key in layer.keys}
    below = tuple(f"{module.name}." for module in modules if module.name)
    recurrent = sum(
        one.mean_square
        for one in state.per_parameter
        if one.name in keys or one.name.startswith(below)
    )
    shares = [NormShare(one.name, one.mean_square / total) for one in state.per_parameter]
    shares.sort(key=lambda one: -one.share)
    return NormShares(tuple(shares), recurrent / total, math.sqrt(recurrent))
