"""The GRU of Cho et al. (2014) as PyTorch has it.

r, z = σ(W_i· x + b_i· + W_h· h + b_h·);  q = W_hn h + b_hn;  n = tanh(W_in x + b_in + r ⊙ q);
h′ = (1 − z) ⊙ n + z ⊙ h. PyTorch's z *keeps* the state.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnndiag.cells.base import (
    Cell,
    FloatArray,
    Pullback,
    blocks,
    logistic,
    scale_rows,
    sigmoid,
    tanh_slope,
    transform,
)


@dataclass(frozen=True)
class GRULinearisation:
    """J = diag(z) + diag(α_r) W_hr + diag(α_z) W_hz + diag(α_n r) W_hn."""

    weight_hh: FloatArray
    keep: FloatArray
    """z, shape (..., hidden)."""

    reset_slope: FloatArray
    """α_r = (1 − z)(1 − n²) q r(1 − r) = ∂h′/∂(reset pre-activation)."""

    update_slope: FloatArray
    """α_z = (h − n) z(1 − z)."""

    candidate_slope: FloatArray
    """α_n = (1 − z)(1 − n²)."""

    reset: FloatArray
    """r: between the candidate's pre-activation and W_hn h."""

    def __getitem__(self, index: int) -> GRULinearisation:
        return GRULinearisation(
            self.weight_hh,
            self.keep[index],
            self.reset_slope[index],
            self.update_slope[index],
            self.candidate_slope[index],
            self.reset[index],
        )

    def vjp(self, cotangent: FloatArray) -> Pullback:
        """Jᵀ v = z ⊙ v + W_hhᵀ (α_r ⊙ v, α_z ⊙ v, r ⊙ α_n ⊙ v)."""
        r, z, n = (
            cotangent * slope
            for slope in (self.reset_slope, self.update_slope, self.candidate_slope)
        )
        hidden_side = np.concatenate([r, z, n * self.reset], axis=-1)
        state = cotangent * self.keep + hidden_side @ self.weight_hh
        return Pullback(state, np.concatenate([r, z, n], axis=-1), hidden_side, None)

    def jvp(self, tangent: FloatArray) -> FloatArray:
        """J u."""
        r, z, n = np.split(tangent @ self.weight_hh.T, 3, axis=-1)
        return (
            self.keep * tangent
            + self.reset_slope * r
            + self.update_slope * z
            + self.candidate_slope * self.reset * n
        )

    def jacobian(self) -> FloatArray:
        """Shape (..., hidden, hidden)."""
        w_r, w_z, w_n = np.split(self.weight_hh, 3)
        return (
            scale_rows(self.keep, np.eye(self.weight_hh.shape[1]))
            + scale_rows(self.reset_slope, w_r)
            + scale_rows(self.update_slope, w_z)
            + scale_rows(self.candidate_slope * self.reset, w_n)
        )


@dataclass(frozen=True)
class GRUCell(Cell):
    """`torch.nn.GRU`'s update; the state is h, shape (..., hidden)."""

    def project(self, inputs: FloatArray) -> FloatArray:
        """W_ih x + b_ih, and b_hr and b_hz; b_hn stays inside the reset gate's product."""
        w = self.weights
        bias = w.bias_ih.copy()
        bias[: 2 * self.output_size] += w.bias_hh[: 2 * self.output_size]
        return transform(w.weight_ih, inputs) + bias

    @property
    def preactivation_size(self) -> int:
        """Of r, z and n, and q."""
        return 4 * self.output_size

    def preactivate(self, drive: FloatArray, state: FloatArray) -> FloatArray:
        """(a_r, a_z, a_n, q): those of r, z and n, and q = W_hn h + b_hn by itself."""
        hidden = self.output_size
        recurrent = transform(self.weights.weight_hh, state)
        a = np.empty((*recurrent.shape[:-1], 4 * hidden))
        a[..., : 2 * hidden] = drive[..., : 2 * hidden] + recurrent[..., : 2 * hidden]
        a[..., 3 * hidden :] = recurrent[..., 2 * hidden :] + self.weights.bias_hh[2 * hidden :]
        reset = sigmoid(a[..., :hidden])
        a[..., 2 * hidden : 3 * hidden] = drive[..., 2 * hidden :] + reset * a[..., 3 * hidden :]
        return a

    def advance(self, preactivation: FloatArray, state: FloatArray) -> FloatArray:
        """(1 − z) ⊙ n + z ⊙ h."""
        _, a_z, a_n, _ = blocks(preactivation, 4)
        n = np.tanh(a_n)
        return np.asarray(n + sigmoid(a_z) * (state - n))

    def linearise_at(self, preactivation: FloatArray, state: FloatArray) -> GRULinearisation:
        """The gates' slopes at the given points."""
        a_r, a_z, a_n, q = blocks(preactivation, 4)
        r, r_slope = logistic(a_r)
        renewal, z_slope = logistic(-a_z)
        candidate = renewal * tanh_slope(a_n)
        return GRULinearisation(
            weight_hh=self.weights.weight_hh,
            keep=logistic(a_z)[0],
            reset_slope=candidate * q * r_slope,
            update_slope=(state - np.tanh(a_n)) * z_slope,
            candidate_slope=candidate,
            reset=r,
        )

    def gates(self, preactivation: FloatArray) -> dict[str, FloatArray]:
        """Of r and z."""
        a_r, a_z, _, _ = blocks(preactivation, 4)
        return {"reset": a_r, "update": a_z}
