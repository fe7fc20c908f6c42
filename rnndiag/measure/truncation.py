"""What truncating back-propagation through time costs: bias and direction for every length at once.

All schemes keep a share w_k of lag k: ĝ = Σ w_k G_k. Keeping K lags has w_k = 1 for k < K; a loss
j steps after a detach sees j lags, so detaching every C steps has w_k = max(0, C − k)/C; going back
k2 steps every k1 (Williams & Peng 1990) has the mean of K = k2 − k1 + 1 … k2 lags.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rnndiag.cells.base import FloatArray


@dataclass(frozen=True)
class Deviation:
    """How far truncated gradients ĝ are from the whole one, g; one of them, or one per length."""

    bias: FloatArray
    """‖ĝ − g‖/‖g‖: 0 for the whole gradient; above 1 where what is cut cancels what is kept."""

    cosine: FloatArray
    """Of the angle between ĝ and g; nan where ĝ is zero."""


@dataclass(frozen=True)
class TruncationCurves:
    """Sliding windows and chunks of every length, from inner products of the lags' gradients."""

    gram: FloatArray
    """D_kl = <G_k, G_l> up to a factor, shape (lags, lags); lags beyond count as zero."""

    @property
    def lags(self) -> int:
        """How many lags there are: 0 … lags − 1."""
        return len(self.gram)

    @property
    def is_zero(self) -> bool:
        """Whether there is no gradient: then nothing has a bias."""
        return not self.gram.sum() > 0.0

    @cached_property
    def sliding(self) -> Deviation:
        """Keeping K lags of every loss, K = 1 … lags. For G_k ∝ βᵏ the bias is βᴷ.

        With r_K = Σ_{k ≥ K} G_k: ‖r_K‖/‖r_0‖ and the cosine of Σ_{k < K} G_k with r_0.

        >>> sizes = 0.5 ** np.arange(60.0)
        >>> scalar = TruncationCurves(np.multiply.outer(sizes, sizes))
        >>> scalar.sliding.bias[:3].round(12)
        array([0.5  , 0.25 , 0.125])
        """
        left_out = np.append(_trailing_squares(self.gram)[1:], 0.0)
        kept, along = _leading_squares(self.gram), np.cumsum(self.gram.sum(axis=1))
        return self._deviation(left_out, kept, along)

    @cached_property
    def chunk(self) -> Deviation:
        """Detaching every C steps, C = 1 … lags. For βᵏ the bias is β(1 − βᶜ)/(C(1 − β)).

        The losses of a chunk see 1 … C lags: the norm of the mean of r_1 … r_C.

        >>> sizes = 0.5 ** np.arange(60.0)
        >>> scalar = TruncationCurves(np.multiply.outer(sizes, sizes))
        >>> scalar.chunk.bias[:3].round(12)
        array([0.5       , 0.375     , 0.29166667])
        """
        lengths = np.arange(1.0, self.lags + 1)
        tails = _accumulated(self.gram[::-1, ::-1])[::-1, ::-1]
        left_out = _leading_squares(np.pad(tails[1:, 1:], (0, 1)))
        heads = _accumulated(self.gram)
        along = np.cumsum(np.cumsum(self.gram.sum(axis=1)))
        return self._deviation(
            left_out / lengths**2, _leading_squares(heads) / lengths**2, along / lengths
        )

    def keeping(self, share: FloatArray) -> Deviation:
        """Of any scheme, from the share w_k that it keeps of every lag, shape (lags,)."""
        cut = 1.0 - share
        products = self.gram @ share
        return self._deviation(cut @ self.gram @ cut, share @ products, products.sum())

    def window(self, k1: int, k2: int) -> Deviation:
        """Every k1 steps back k2 steps: the losses since the last time see k2 − k1 + 1 … k2 lags.

        >>> sizes = 0.5 ** np.arange(60.0)
        >>> scalar = TruncationCurves(np.multiply.outer(sizes, sizes))
        >>> float(scalar.window(2, 3).bias.round(12))  # the mean of 1/4 and 1/8
        0.1875
        """
        return self.keeping(np.clip((k2 - np.arange(self.lags)) / k1, 0.0, 1.0))

    def detaching_every(self, steps: int) -> Deviation:
        """Of one chunk length, beyond the lags as well: there is nothing left to lose there."""
        return self.window(steps, steps)

    def keeping_lags(self, lags: int) -> Deviation:
        """Of one number of lags, beyond those there are as well."""
        return self.window(1, lags)

    def _deviation(self, left_out: FloatArray, kept: FloatArray, along: FloatArray) -> Deviation:
        """From ‖g − ĝ‖², ‖ĝ‖² and <ĝ, g>; rounding may leave squares a little below zero."""
        whole = self.gram.sum()
        with np.errstate(divide="ignore", invalid="ignore"):
            bias = np.sqrt(np.maximum(left_out, 0.0) / whole)
            cosine = along / np.sqrt(np.maximum(kept, 0.0) * whole)
        return Deviation(bias, np.clip(cosine, -1.0, 1.0))


def _leading_squares(matrix: FloatArray) -> FloatArray:
    """Σ_{k, l < n} M_kl of a symmetric matrix for every n = 1 … size."""
    return np.cumsum(2.0 * np.tril(matrix, -1).sum(axis=1) + matrix.diagonal())


def _trailing_squares(matrix: FloatArray) -> FloatArray:
    """Σ_{k, l ≥ n} M_kl of a symmetric matrix for every n = 0 … size − 1."""
    return _leading_squares(matrix[::-1, ::-1])[::-1]


def _accumulated(matrix: FloatArray) -> FloatArray:
    """Σ_{k ≤ i, l ≤ j} M_kl."""
    return np.cumsum(np.cumsum(matrix, axis=0), axis=1)
