"""What W_hh of a plain RNN does as a map from state to state."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rnndiag.cells.base import FloatArray
from rnndiag.measure.eigenvalues import Eigenvalues
from rnndiag.measure.nonnormality import henrici, radius_uncertainty
from rnndiag.measure.norms import SpectralNorm
from rnndiag.measure.powers import PowerGrowth, transient_growth
from rnndiag.measure.scaled_norm import ScaledNorm, scaled_norm
from rnndiag.rounding import judged

LARGEST_COMPLETE = 1024
"""Order up to which all eigenvalues and singular values are computed, and powers: some seconds
each. What needs them is None beyond."""


@dataclass(frozen=True)
class StateMap:
    """W_hh as a map from state to state; None: too large, see LARGEST_COMPLETE, or not judged."""

    scaled_norm: ScaledNorm

    henrici: float | None = None
    """√(1 − Σ|λ|²/‖W‖_F²): 0 for a normal matrix, 0.707 for an i.i.d., 1 for a nilpotent one."""

    orthogonality_error: float | None = None
    """max |σ_i − 1|."""

    powers: PowerGrowth | None = None
    """max over k ≤ 1000 of ‖Wᵏ‖₂; None, too, unless ρ < 1."""

    scaled_powers: PowerGrowth | None = None
    """The same of W/ρ; None, too, where ρ = 0."""

    eigenvalue_uncertainty: float | None = None
    """How far below the computed ρ the true one may lie: see `radius_uncertainty`."""

    @property
    def certified_contracting(self) -> bool:
        """Whether the scaled norm is below 1 as shown.

        With tanh or relu the gradient then vanishes whatever the input: Pascanu et al. (2013), in
        the best units; see `scaled_norm`.
        """
        return judged(self.scaled_norm.value) < 1.0

    @property
    def transient_growth(self) -> float | None:
        """The largest ‖Wᵏ‖₂; None unless ρ < 1."""
        return None if self.powers is None else self.powers.growth

    @property
    def transient_growth_step(self) -> int | None:
        """The k of it."""
        return None if self.powers is None else self.powers.step


def measure_state_map(matrix: FloatArray, leading: Eigenvalues, norm: SpectralNorm) -> StateMap:
    """Measure W_hh, (hidden, hidden), whose eigenvalues and norm are known."""
    found = measure_judged(matrix, leading, norm)
    if not leading.complete:
        return found
    return replace(
        found,
        henrici=henrici(matrix, leading.values),
        orthogonality_error=float(np.abs(np.linalg.svd(matrix, compute_uv=False) - 1.0).max()),
        scaled_powers=_scaled_powers(matrix, leading.radius),
    )


def measure_judged(matrix: FloatArray, leading: Eigenvalues, norm: SpectralNorm) -> StateMap:
    """What rules judge of it alone; the rest takes four times as long at 512 units."""
    best = scaled_norm(matrix)
    if not leading.complete:
        return StateMap(best)
    return StateMap(
        scaled_norm=best,
        # Judged as shown: the radius of an orthogonal matrix is 1 but for its last bits.
        powers=transient_growth(matrix) if judged(leading.radius) < 1.0 else None,
        eigenvalue_uncertainty=radius_uncertainty(matrix, complex(leading.values[0]), norm.value),
    )


def _scaled_powers(matrix: FloatArray, radius: float) -> PowerGrowth | None:
    """Of W/ρ; None where ρ is 0, or so small that this leaves float64's range."""
    if radius == 0.0:
        return None
    with np.errstate(over="ignore"):
        scaled = matrix / radius
    return transient_growth(scaled) if np.isfinite(scaled).all() else None
