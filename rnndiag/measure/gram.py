"""Inner products between the lags' gradients, from the factors of their outer products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rnndiag.cells.base import FloatArray

PARAMETER_BYTES = 2**26
"""Of the gradients of one block of parameters at all lags, where it is cheaper to form them."""


class Factors(NamedTuple):
    """Of outer products left ⊗ right, whose sum over samples is one parameter's gradient by lag."""

    left: FloatArray
    """Shape (losses, samples, lags, rows)."""

    right: FloatArray
    """Shape (samples, lags, columns)."""


@dataclass(frozen=True)
class Gram:
    """Inner products of what the lags add to the gradient of all of a module's parameters."""

    whole: FloatArray
    """D_kl = <G_k, G_l> up to a factor, shape (lags, lags): the mean over losses, and over samples
    where these are independent."""

    independent: bool
    """Whether they are: the losses were random, not known."""

    halves: tuple[FloatArray, ...] = ()
    """The same from either half of the samples; none where there is one sample."""

    loss_steps: tuple[int, int] | None = None
    """Of a recorded loss: at how many steps it was followed back, and at how many there is one."""

    @property
    def lags(self) -> int:
        """How many lags were compared: 0 … lags − 1."""
        return len(self.whole)


def compare(factors: Sequence[Factors], independent: bool, batch: int) -> Gram:
    """D_kl = Σ over samples a, b and factors of (left_ak · left_bl)(right_ak · right_bl).

    `independent`: only a = b. Samples a and a + batch are one sequence at two loss steps. Halves
    are of the batch, or of the losses where the batch is 1 and they are independent.

    >>> one = Factors(np.ones((1, 2, 3, 4)), np.ones((2, 3, 5)))
    >>> float(compare([one], independent=True, batch=2).whole[0, 1])  # two samples of 4 · 5
    40.0
    >>> float(compare([one], independent=False, batch=2).whole[0, 1])  # 2 squared, times 4 · 5
    80.0
    """
    losses, samples, lags, _ = factors[0].left.shape
    half = _halves(losses, samples, batch, independent)
    if not independent and _forming_is_cheaper(factors):
        parts = _of_formed_gradients(factors, half[0])
        halves = (parts[0, 0], parts[1, 1]) if half.any() else ()
        return Gram(parts.sum(axis=(0, 1)), independent, halves)
    whole, first, second = np.zeros((3, lags, lags))
    for a in range(samples):
        for b in [a] if independent else range(a, samples):
            for loss, products in enumerate(_products(factors, a, b)):
                whole += products
                if half[loss, a] == half[loss, b]:
                    part = second if half[loss, a] else first
                    part += products
    return Gram(whole, independent, (first, second) if half.any() else ())


def _halves(losses: int, samples: int, batch: int, independent: bool) -> np.ndarray:
    """Which half each loss's sample is in, 0 or 1, shape (losses, samples); all 0 for no halves."""
    halves = np.broadcast_to(np.arange(samples) % batch * 2 // batch, (losses, samples))
    if batch == 1 and independent:
        return np.broadcast_to(np.arange(losses)[:, None] * 2 // losses, (losses, samples))
    return halves


def _products(factors: Sequence[Factors], a: int, b: int) -> FloatArray:
    """Of two samples, both ways round, shape (losses, lags, lags)."""
    products = sum(
        (left[:, a] @ left[:, b].swapaxes(1, 2)) * (right[a] @ right[b].T)
        for left, right in factors
    )
    return np.asarray(products if a == b else products + np.swapaxes(products, 1, 2))


def _forming_is_cheaper(factors: Sequence[Factors]) -> bool:
    """Whether gradients of the parameters take fewer products than pairs of samples do."""
    _, samples, lags, _ = factors[0].left.shape
    sizes = [(left.shape[3], right.shape[2]) for left, right in factors]
    pairs = samples * (samples + 1) / 2 * lags**2 * sum(map(sum, sizes))
    parameters = sum(rows * columns for rows, columns in sizes)
    return bool(lags * (samples + 4 * lags) * parameters < pairs)


def _of_formed_gradients(factors: Sequence[Factors], half: np.ndarray) -> FloatArray:
    """Between the gradients of both halves of the samples, (2, 2, lags, lags)."""
    losses, _, lags, _ = factors[0].left.shape
    total = np.zeros((2 * lags, 2 * lags))
    for left, right in factors:
        rows = max(1, PARAMETER_BYTES // (16 * lags * right.shape[2]))
        for loss in range(losses):
            for first in range(0, left.shape[3], rows):
                block = left[loss, :, :, first : first + rows]
                formed = [_formed(block[half == side], right[half == side]) for side in (0, 1)]
                flat = np.concatenate(formed)
                total += flat @ flat.T
    return total.reshape(2, lags, 2, lags).swapaxes(1, 2)


def _formed(left: FloatArray, right: FloatArray) -> FloatArray:
    """Σ over samples of left ⊗ right, (lags, rows · columns)."""
    summed = left.transpose(1, 2, 0) @ right.swapaxes(0, 1)
    return np.asarray(summed.reshape(len(summed), -1))
