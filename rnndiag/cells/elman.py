"""The plain RNN of Elman (1990): h′ = φ(W_ih x + b_ih + W_hh h + b_hh), φ = tanh or relu."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnndiag.cells.base import (
    Cell,
    FloatArray,
    LayerWeights,
    Pullback,
    product,
    scale_rows,
    tanh_slope,
)


@dataclass(frozen=True)
class ElmanLinearisation:
    """J = diag(φ′(a)) W_hh."""

    weights: LayerWeights
    slope: FloatArray
    """φ′(a), shape (..., hidden)."""

    def __getitem__(self, index: int) -> ElmanLinearisation:
        return ElmanLinearisation(self.weights, self.slope[index])

    def vjp(self, cotangent: FloatArray) -> Pullback:
        """Jᵀ v = W_hhᵀ (φ′(a) ⊙ v)."""
        drive = cotangent * self.slope
        return Pullback(product(drive, self.weights.weight_hh), drive, drive, None)

    def jvp(self, tangent: FloatArray) -> FloatArray:
        """J u = φ′(a) ⊙ W_hh u."""
        return self.slope * product(tangent, self.weights.weight_hh_t)

    def jacobian(self) -> FloatArray:
        """Shape (..., hidden, hidden)."""
        return scale_rows(self.slope, self.weights.weight_hh)


@dataclass(frozen=True)
class ElmanCell(Cell):
    """`torch.nn.RNN`'s update; the state is h, shape (..., hidden)."""

    def advance(self, preactivation: FloatArray, state: FloatArray, out: FloatArray) -> None:
        """φ(a); the state itself has gone into a."""
        if self.weights.activation == "relu":
            np.maximum(preactivation, 0.0, out=out)
        else:
            np.tanh(preactivation, out=out)

    def linearise_at(self, preactivation: FloatArray, state: FloatArray) -> ElmanLinearisation:
        """φ′(a) at the given points; relu′(0) = 0, as torch has it."""
        relu = self.weights.activation == "relu"
        slope = (preactivation > 0.0).astype(np.float64) if relu else tanh_slope(preactivation)
        return ElmanLinearisation(self.weights, slope)
