"""The plain RNN of Elman (1990): h′ = φ(W_ih x + b_ih + W_hh h + b_hh), φ = tanh or relu."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnndiag.cells.base import FloatArray, Pullback, WeightedCell, scale_rows, tanh_slope, transform


@dataclass(frozen=True)
class ElmanLinearisation:
    """J = diag(φ′(a)) W_hh."""

    weight_hh: FloatArray
    slope: FloatArray
    """φ′(a), shape (..., hidden)."""

    def __getitem__(self, index: int) -> ElmanLinearisation:
        return ElmanLinearisation(self.weight_hh, self.slope[index])

    def vjp(self, cotangent: FloatArray) -> Pullback:
        """Jᵀ v = W_hhᵀ (φ′(a) ⊙ v)."""
        drive = cotangent * self.slope
        return Pullback(drive @ self.weight_hh, drive, None)

    def jvp(self, tangent: FloatArray) -> FloatArray:
        """J u = φ′(a) ⊙ W_hh u."""
        return self.slope * (tangent @ self.weight_hh.T)

    def jacobian(self) -> FloatArray:
        """Shape (..., hidden, hidden)."""
        return scale_rows(self.slope, self.weight_hh)


@dataclass(frozen=True)
class ElmanCell(WeightedCell):
    """`torch.nn.RNN`'s update; the state is h, shape (..., hidden)."""

    def project(self, inputs: FloatArray) -> FloatArray:
        """W_ih x + b_ih + b_hh."""
        w = self.weights
        return transform(w.weight_ih, inputs) + (w.bias_ih + w.bias_hh)

    def step(self, drive: FloatArray, state: FloatArray) -> FloatArray:
        """φ(u + W_hh h)."""
        a = self._preactivation(drive, state)
        return np.maximum(a, 0.0) if self.weights.activation == "relu" else np.tanh(a)

    def linearise(self, drive: FloatArray, state: FloatArray) -> ElmanLinearisation:
        """φ′(a) at the given points; relu′(0) = 0, as torch has it."""
        a = self._preactivation(drive, state)
        relu = self.weights.activation == "relu"
        slope = (a > 0.0).astype(np.float64) if relu else tanh_slope(a)
        return ElmanLinearisation(self.weights.weight_hh, slope)

    def _preactivation(self, drive: FloatArray, state: FloatArray) -> FloatArray:
        return drive + transform(self.weights.weight_hh, state)
