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
    joined,
    logistic,
    parted,
    product,
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
    slopes: FloatArray
    """(g i(1 − i), c f(1 − f), i(1 − g²), tanh c′ · o(1 − o)), shape (..., 4, hidden): ∂c′ by the
    pre-activations of i, f and g, and ∂(o tanh c′) by that of o."""

    exposure: FloatArray
    """e = o(1 − tanh² c′): how much of c′ the output shows."""

    forget: FloatArray
    """f."""

    def __getitem__(self, index: int) -> LSTMLinearisation:
        return LSTMLinearisation(
            self.weights, self.slopes[index], self.exposure[index], self.forget[index]
        )

    def vjp(self, cotangent: FloatArray) -> Pullback:
        """Jᵀ v, without forming J."""
        w = self.weights
        p = w.weight_hh.shape[1]
        h, c = cotangent[..., :p], cotangent[..., p:]
        m = h if w.weight_hr is None else product(h, w.weight_hr)
        cell_state = m * self.exposure
        cell_state += c
        by_gate = np.empty((*cell_state.shape[:-1], *self.slopes.shape[-2:]))
        np.multiply(cell_state[..., None, :], self.slopes[..., :3, :], out=by_gate[..., :3, :])
        np.multiply(m, self.slopes[..., 3, :], out=by_gate[..., 3, :])
        drive = joined(by_gate)
        state = np.empty((*cell_state.shape[:-1], cotangent.shape[-1]))
        state[..., :p] = product(drive, w.weight_hh)
        np.multiply(self.forget, cell_state, out=state[..., p:])
        return Pullback(state, drive, drive, cell_state)

    def jvp(self, tangent: FloatArray) -> FloatArray:
        """J u."""
        w = self.weights
        p = w.weight_hh.shape[1]
        by_gate = parted(product(tangent[..., :p], w.weight_hh_t), 4) * self.slopes
        c = self.forget * tangent[..., p:]
        c += by_gate[..., 0, :]
        c += by_gate[..., 1, :]
        c += by_gate[..., 2, :]
        h = self.exposure * c
        h += by_gate[..., 3, :]
        return np.concatenate([h if w.weight_hr is None else product(h, w.weight_hr.T), c], axis=-1)

    def jacobian(self) -> FloatArray:
        """Shape (..., S, S), S = output + hidden."""
        w = self.weights
        w_i, w_f, w_g, w_o = np.split(w.weight_hh, 4)
        i, f, g, o = np.moveaxis(self.slopes, -2, 0)
        cell_by_h = scale_rows(i, w_i) + scale_rows(f, w_f) + scale_rows(g, w_g)
        cell_by_c = scale_rows(self.forget, np.eye(self.forget.shape[-1]))
        h_by_h = scale_rows(o, w_o) + scale_rows(self.exposure, cell_by_h)
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

    def advance(self, preactivation: FloatArray, state: FloatArray, out: FloatArray) -> None:
        """(h′, c′)."""
        p = self.output_size
        i, f, _, o = blocks(sigmoid(preactivation), 4)
        c = np.multiply(f, state[..., p:], out=out[..., p:])
        i *= np.tanh(blocks(preactivation, 4)[2])
        c += i
        o *= np.tanh(c)
        out[..., :p] = o if self.weights.weight_hr is None else o @ self.weights.weight_hr.T

    def linearise_at(self, preactivation: FloatArray, state: FloatArray) -> LSTMLinearisation:
        """The gates' slopes at the given points."""
        a = parted(preactivation, 4)
        values, slopes = logistic(a)
        i, f, g, o = (values[..., gate, :] for gate in range(4))
        np.tanh(a[..., 2, :], out=g)
        slopes[..., 2, :] = tanh_slope(a[..., 2, :])
        old = state[..., self.output_size :]
        c = f * old
        c += i * g
        exposure = tanh_slope(c)
        exposure *= o
        for gate, factor in enumerate((g, old, i, np.tanh(c))):
            slopes[..., gate, :] *= factor
        return LSTMLinearisation(self.weights, slopes, exposure, forget=f)

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
