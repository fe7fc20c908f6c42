"""What every cell offers: one update, and its linearisation in both directions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LayerWeights:
    """The weights of one layer and direction in float64, in PyTorch's layout."""

    weight_ih: FloatArray
    """Shape (gates * hidden, input)."""

    weight_hh: FloatArray
    """Shape (gates * hidden, output)."""

    bias_ih: FloatArray
    """Shape (gates * hidden,); zeros where the file has none."""

    bias_hh: FloatArray
    """Shape (gates * hidden,); zeros where the file has none."""

    weight_hr: FloatArray | None = None
    """Shape (projection, hidden); of a projected LSTM only."""

    activation: str = "tanh"
    """Of a plain RNN: "tanh" or "relu"."""

    @cached_property
    def weight_hh_t(self) -> FloatArray:
        """W_hhᵀ, rows in one piece: few vectors times it take half the time that a view takes."""
        return np.ascontiguousarray(self.weight_hh.T)


class Pullback(NamedTuple):
    """Gradients one step earlier, from a gradient with respect to the state after the step."""

    state: FloatArray
    """∂L/∂s_{t-1}, shape (..., state_size)."""

    drive: FloatArray
    """∂L/∂u_t, u_t = W_ih x_t + biases: shape (..., gates * hidden)."""

    recurrent: FloatArray
    """∂L/∂(W_hh h_{t-1}), the same shape, and the same numbers but for the GRU's candidate."""

    cell_state: FloatArray | None
    """LSTM: the whole ∂L/∂c_t, what reaches c_t through h_t included: shape (..., hidden)."""


class Linearisation(Protocol):
    """The derivative of the step s_{t-1} → s_t at given points; any leading dimensions."""

    def __getitem__(self, index: int) -> Linearisation:
        """Select one entry along the first leading dimension."""

    def vjp(self, cotangent: FloatArray) -> Pullback:
        """Jᵀ v: shape (..., state_size) to a Pullback. Leading dimensions broadcast."""

    def jvp(self, tangent: FloatArray) -> FloatArray:
        """J u: shape (..., state_size) to the same."""

    def jacobian(self) -> FloatArray:
        """∂s_t/∂s_{t-1}: shape (..., state_size, state_size). For small states only."""


@dataclass(frozen=True)
class Cell(ABC):
    """A recurrent update. The state is h, or (h, c) side by side for the LSTM."""

    weights: LayerWeights

    @property
    def output_size(self) -> int:
        """Width of h, the leading part of the state: the projection of a projected LSTM."""
        return int(self.weights.weight_hh.shape[1])

    @property
    def state_size(self) -> int:
        """Width of the whole state: h, unless a cell keeps more."""
        return self.output_size

    @property
    def preactivation_size(self) -> int:
        """Width of what `preactivate` gives: one number per row of W_hh, unless a cell has more."""
        return int(self.weights.weight_hh.shape[0])

    def project(self, inputs: FloatArray) -> FloatArray:
        """The drive u = W_ih x + biases: shape (..., input) to (..., gates * hidden)."""
        w = self.weights
        drive = product(inputs, w.weight_ih.T)
        drive += w.bias_ih + w.bias_hh
        return drive

    def preactivate(self, drive: FloatArray, state: FloatArray, out: FloatArray) -> None:
        """Everything of one update that is linear in h, into `out` (..., preactivation_size)."""
        np.matmul(state[..., : self.output_size], self.weights.weight_hh_t, out=out)
        out += drive

    @abstractmethod
    def advance(self, preactivation: FloatArray, state: FloatArray, out: FloatArray) -> None:
        """The rest of the update: the new state, into `out` (..., state_size)."""

    @abstractmethod
    def linearise_at(self, preactivation: FloatArray, state: FloatArray) -> Linearisation:
        """The derivative of the whole update with respect to the state, at this point."""

    def gates(self, preactivation: FloatArray) -> dict[str, FloatArray]:
        """The logistic gates' pre-activations by name, each (..., hidden); none by default."""
        return {}

    def unprojected(self, preactivation: FloatArray, new_state: FloatArray) -> FloatArray | None:
        """What W_hr maps to h, shape (..., hidden); None without a projection."""
        return None

    def step(self, drive: FloatArray, state: FloatArray) -> FloatArray:
        """One update: drive (..., gates * hidden) and state (..., state_size) to the new state."""
        new = np.empty_like(state)
        self.advance(self.preactivation(drive, state), state, new)
        return new

    def linearise(self, drive: FloatArray, state: FloatArray) -> Linearisation:
        """The derivative of `step` with respect to the state, at (drive, state)."""
        return self.linearise_at(self.preactivation(drive, state), state)

    def preactivation(self, drive: FloatArray, state: FloatArray) -> FloatArray:
        """What `preactivate` gives, in an array of its own."""
        inside = np.empty((*state.shape[:-1], self.preactivation_size))
        self.preactivate(drive, state, inside)
        return inside


LARGEST_EXPONENT = 709.0
"""exp of more overflows."""


def sigmoid(x: FloatArray) -> FloatArray:
    """The logistic function σ; below −709 the 1e-308 it has there.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).round(300)
    array([0. , 0.5, 1. ])
    """
    return np.asarray(1.0 / (1.0 + np.exp(np.minimum(-x, LARGEST_EXPONENT))))


def logistic(x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """σ(x) and σ′(x) from one exponential, exact where 1 − σ would be rounded to nothing.

    >>> print("{:.10g} {:.10g}".format(*map(float, logistic(np.array(40.0)))))
    1 4.248354255e-18
    """
    smaller = np.exp(-np.abs(x))
    larger = 1.0 / (1.0 + smaller)
    # σ is 1/(1 + e) or e/(1 + e); choosing by np.where waits for a guess at every second sign.
    value = np.maximum(smaller, x >= 0.0)
    value *= larger
    smaller *= larger
    smaller *= larger
    return value, smaller


def tanh_slope(x: FloatArray) -> FloatArray:
    """tanh′(x) = 4e/(1 + e)² with e = exp(−2|x|), exact where 1 − tanh² is rounded to nothing.

    >>> print(f"{tanh_slope(np.array(20.0)):.10g}")  # 1 - np.tanh(20.0)**2 is 0.0
    1.699341702e-17
    """
    e = np.exp(-2.0 * np.abs(x))
    square = np.square(1.0 + e)
    e *= 4.0
    e /= square
    return e


def blocks(values: FloatArray, count: int) -> list[FloatArray]:
    """Views of `count` equal parts of the last dimension; np.split takes ten times as long."""
    width = values.shape[-1] // count
    return [values[..., k * width : (k + 1) * width] for k in range(count)]


def parted(values: FloatArray, count: int) -> FloatArray:
    """A view with `count` equal parts of the last dimension one below the other."""
    return values.reshape(*values.shape[:-1], count, values.shape[-1] // count)


def joined(parts: FloatArray) -> FloatArray:
    """A view with the last two dimensions as one, the inverse of `parted`."""
    return parts.reshape(*parts.shape[:-2], parts.shape[-2] * parts.shape[-1])


def product(vectors: FloatArray, matrix: FloatArray) -> FloatArray:
    """Vectors of shape (..., n) times matrix (n, m), as one product of two matrices.

    numpy itself would take one small product for every leading index.
    """
    flat = vectors.reshape(-1, vectors.shape[-1]) @ matrix
    return np.asarray(flat.reshape(*vectors.shape[:-1], matrix.shape[1]))


def scale_rows(factors: FloatArray, matrix: FloatArray) -> FloatArray:
    """diag(factors) @ matrix for factors of shape (..., n): shape (..., n, m)."""
    return factors[..., :, None] * matrix
