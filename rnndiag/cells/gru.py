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
    LayerWeights,
    Pullback,
    blocks,
    joined,
    logistic,
    parted,
    product,
    scale_rows,
    sigmoid,
    tanh_slope,
)


@dataclass(frozen=True)
class GRULinearisation:
    """J = diag(z) + diag(α_r) W_hr + diag(α_z) W_hz + diag(α_n r) W_hn.

    α_r = (1 − z)(1 − n²) q r(1 − r), α_z = (h − n) z(1 − z) and α_n = (1 − z)(1 − n²) are ∂h′ by
    the pre-activations of r, z and n.
    """

    weights: LayerWeights
    keep: FloatArray
    """z, shape (..., hidden)."""

    drive_slopes: FloatArray
    """(α_r, α_z, α_n), shape (..., 3, hidden)."""

    recurrent_slopes: FloatArray
    """(α_r, α_z, α_n r), shape (..., 3, hidden): ∂h′ by W_hh h."""

    def __getitem__(self, index: int) -> GRULinearisation:
        return GRULinearisation(
            self.weights, self.keep[index], self.drive_slopes[index], self.recurrent_slopes[index]
        )

    def vjp(self, cotangent: FloatArray) -> Pullback:
        """Jᵀ v = z ⊙ v + W_hhᵀ (α_r ⊙ v, α_z ⊙ v, r ⊙ α_n ⊙ v)."""
        drive = joined(cotangent[..., None, :] * self.drive_slopes)
        recurrent = joined(cotangent[..., None, :] * self.recurrent_slopes)
        state = product(recurrent, self.weights.weight_hh)
        state += cotangent * self.keep
        return Pullback(state, drive, recurrent, None)

    def jvp(self, tangent: FloatArray) -> FloatArray:
        """J u."""
        pushed = parted(product(tangent, self.weights.weight_hh_t), 3)
        pushed *= self.recurrent_slopes
        return np.asarray(self.keep * tangent + pushed.sum(axis=-2))

    def jacobian(self) -> FloatArray:
        """Shape (..., hidden, hidden)."""
        r, z, n = np.moveaxis(self.recurrent_slopes, -2, 0)
        w_r, w_z, w_n = np.split(self.weights.weight_hh, 3)
        kept = scale_rows(self.keep, np.eye(len(w_r)))
        return kept + scale_rows(r, w_r) + scale_rows(z, w_z) + scale_rows(n, w_n)


@dataclass(frozen=True)
class GRUCell(Cell):
    """`torch.nn.GRU`'s update; the state is h, shape (..., hidden)."""

    def project(self, inputs: FloatArray) -> FloatArray:
        """W_ih x + b_ih, and b_hr and b_hz; b_hn stays inside the reset gate's product."""
        w = self.weights
        drive = product(inputs, w.weight_ih.T)
        drive += w.bias_ih
        drive[..., : 2 * self.output_size] += w.bias_hh[: 2 * self.output_size]
        return drive

    @property
    def preactivation_size(self) -> int:
        """Of r and z, q, and n's."""
        return 4 * self.output_size

    def preactivate(self, drive: FloatArray, state: FloatArray, out: FloatArray) -> None:
        """(a_r, a_z, q, a_n): those of r, z and n, and q = W_hn h + b_hn by itself."""
        rz = 2 * self.output_size
        np.matmul(state, self.weights.weight_hh_t, out=out[..., : 3 * self.output_size])
        out[..., :rz] += drive[..., :rz]
        a_r, _, q, a_n = blocks(out, 4)
        q += self.weights.bias_hh[rz:]
        np.multiply(sigmoid(a_r), q, out=a_n)
        a_n += drive[..., rz:]

    def advance(self, preactivation: FloatArray, state: FloatArray, out: FloatArray) -> None:
        """(1 − z) ⊙ n + z ⊙ h = n + z ⊙ (h − n)."""
        _, a_z, _, a_n = blocks(preactivation, 4)
        n = np.tanh(a_n)
        np.subtract(state, n, out=out)
        out *= sigmoid(a_z)
        out += n

    def linearise_at(self, preactivation: FloatArray, state: FloatArray) -> GRULinearisation:
        """The gates' slopes at the given points."""
        a_r, a_z, q, a_n = blocks(preactivation, 4)
        r, r_slope = logistic(a_r)
        z, z_slope = logistic(a_z)
        renewal, _ = logistic(-a_z)  # 1 − z would be rounded to nothing where z is open
        alpha_n = renewal * tanh_slope(a_n)
        alpha_r = alpha_n * q * r_slope
        alpha_z = (state - np.tanh(a_n)) * z_slope
        return GRULinearisation(
            weights=self.weights,
            keep=z,
            drive_slopes=np.stack([alpha_r, alpha_z, alpha_n], axis=-2),
            recurrent_slopes=np.stack([alpha_r, alpha_z, alpha_n * r], axis=-2),
        )

    def gates(self, preactivation: FloatArray) -> dict[str, FloatArray]:
        """Of r and z."""
        a_r, a_z, _, _ = blocks(preactivation, 4)
        return {"reset": a_r, "update": a_z}
