"""The LSTM of Hochreiter and Schmidhuber (1997) with Gers' forget gate, projected or not.

i, f, o = σ(·), g = tanh(·) of W_ih x + b_ih + W_hh h + b_hh;  c′ = f ⊙ c + i ⊙ g;
h′ = o ⊙ tanh c′, or W_hr (o ⊙ tanh c′) with a projection (Sak et al. 2014).
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
    logistic,
    scale_rows,
    sigmoid,
    tanh_slope,
)


@dataclass(frozen=True)
class LSTMLinearisation:
    """J over (h, c), with K = ∂c′/∂h and e = o(1 − tanh² c′).

    J = [[diag(tanh c′ · o(1 − o)) W_ho + diag(e) K, diag(e f)], [K, diag(f)]],
    the top row multiplied by W_hr from the left where there is a projection.
    """

    weights: LayerWeights
    cell_slopes: FloatArray
    """(g i(1 − i), c f(1 − f), i(1 − g²)): ∂c′ by the i, f, g pre-activations, (..., 3, hidden)."""

    output_slope: FloatArray
    """tanh c′ · o(1 − o): ∂(o tanh c′) by the o pre-activation."""

    exposure: FloatArray
    """e = o(1 − tanh² c′): how much of c′ the output shows."""

    forget: FloatArray
    """f."""

    def __getitem__(self, index: int) -> LSTMLinearisation:
        return LSTMLinearisation(
            self.weights,
            self.cell_slopes[index],
            self.output_slope[index],
            self.exposure[index],
            self.forget[index],
        )

    def vjp(self, cotangent: FloatArray) -> Pullback:
        """Jᵀ v, without forming J."""
        w = self.weights
        p = w.weight_hh.shape[1]
        h, c = cotangent[..., :p], cotangent[..., p:]
        m = h if w.weight_hr is None else h @ w.weight_hr
        cell_state = m * self.exposure + c
        through_cell = cell_state[..., None, :] * self.cell_slopes
        drive = np.concatenate(
            [through_cell.reshape(*through_cell.shape[:-2], -1), m * self.output_slope], axis=-1
        )
        state = np.concatenate([drive @ w.weight_hh, self.forget * cell_state], axis=-1)
        return Pullback(state, drive, drive, cell_state)

    def jvp(self, tangent: FloatArray) -> FloatArray:
        """J u."""
        w = self.weights
        p, hidden = w.weight_hh.shape[1], self.forget.shape[-1]
        recurrent = tangent[..., :p] @ w.weight_hh.T
        gates = recurrent.reshape(*recurrent.shape[:-1], 4, hidden)
        c = self.forget * tangent[..., p:] + (self.cell_slopes * gates[..., :3, :]).sum(axis=-2)
        h = self.exposure * c + self.output_slope * gates[..., 3, :]
        return np.concatenate([h if w.weight_hr is None else h @ w.weight_hr.T, c], axis=-1)

    def jacobian(self) -> FloatArray:
        """Shape (..., S, S), S = output + hidden."""
        w = self.weights
        w_i, w_f, w_g, w_o = np.split(w.weight_hh, 4)
        i, f, g = np.moveaxis(self.cell_slopes, -2, 0)
        cell_by_h = scale_rows(i, w_i) + scale_rows(f, w_f) + scale_rows(g, w_g)
        cell_by_c = scale_rows(self.forget, np.eye(self.forget.shape[-1]))
        h_by_h = scale_rows(self.output_slope, w_o) + scale_rows(self.exposure, cell_by_h)
        top = np.concatenate([h_by_h, scale_rows(self.exposure, cell_by_c)], axis=-1)
        if w.weight_hr is not None:
            top = w.weight_hr @ top
        return np.concatenate([top, np.concatenate([cell_by_h, cell_by_c], axis=-1)], axis=-2)


@dataclass(frozen=True)
class LSTMCell(Cell):
    """`torch.nn.LSTM`'s update; the state is (h, c) side by side, shape (..., output + hidden)."""

    @property
    def state_size(self) -> int:
        """Width of h and c together."""
        return self.output_size + int(self.weights.weight_hh.shape[0]) // 4

    def advance(self, preactivation: FloatArray, state: FloatArray) -> FloatArray:
        """(h′, c′)."""
        _, _, a_g, a_o = blocks(preactivation, 4)
        i, f = blocks(sigmoid(preactivation[..., : 2 * a_g.shape[-1]]), 2)
        c = f * state[..., self.output_size :] + i * np.tanh(a_g)
        h = sigmoid(a_o) * np.tanh(c)
        if self.weights.weight_hr is not None:
            h = h @ self.weights.weight_hr.T
        return np.concatenate([h, c], axis=-1)

    def linearise_at(self, preactivation: FloatArray, state: FloatArray) -> LSTMLinearisation:
        """The gates' slopes at the given points."""
        a_i, a_f, a_g, a_o = blocks(preactivation, 4)
        (i, i_slope), (f, f_slope), (o, o_slope) = map(logistic, (a_i, a_f, a_o))
        g = np.tanh(a_g)
        old = state[..., self.output_size :]
        c = f * old + i * g
        slopes = np.concatenate([g * i_slope, old * f_slope, i * tanh_slope(a_g)], axis=-1)
        return LSTMLinearisation(
            weights=self.weights,
            cell_slopes=slopes.reshape(*c.shape[:-1], 3, c.shape[-1]),
            output_slope=np.tanh(c) * o_slope,
            exposure=o * tanh_slope(c),
            forget=f,
        )

    def unprojected(self, preactivation: FloatArray, new_state: FloatArray) -> FloatArray | None:
        """o ⊙ tanh c′, where it is not h itself."""
        if self.weights.weight_hr is None:
            return None
        a_o = blocks(preactivation, 4)[3]
        return np.asarray(sigmoid(a_o) * np.tanh(new_state[..., self.output_size :]))

    def gates(self, preactivation: FloatArray) -> dict[str, FloatArray]:
        """Of i, f and o; g is no gate but a candidate."""
        a_i, a_f, _, a_o = blocks(preactivation, 4)
        return {"input": a_i, "forget": a_f, "output": a_o}
