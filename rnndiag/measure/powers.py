"""How large the powers of a matrix become before, or although, they decay."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from rnndiag.cells.base import FloatArray
from rnndiag.measure.norms import norm_bound, spectral_norm

LARGEST_POWER = 1000
"""Highest power of W_hh that transient growth looks at."""

LARGER = 1e-12
"""How much larger, relative, a norm has to be to count as a new maximum: n ulps."""

COMPRESSED_EVERY, COMPRESSED_ORDER = 8, 64
"""Powers between two reductions to what is left of them, and the order from which that pays."""

DROPPED = 1e-7
"""Singular values of a power, relative to its largest, that are left out: what they miss later is
less than this times the growth from there on."""

MOST_FLOPS = 6e10
"""Of all products together: a few seconds. Powers beyond it are not looked at, and that is said."""


class PowerGrowth(NamedTuple):
    """The largest power of a matrix, among those that were looked at."""

    growth: float
    """max over k of ‖Wᵏ‖₂."""

    step: int
    """The first k at which it is reached."""

    last: int
    """The highest power that it is known to hold for: 1000, or fewer for a large matrix."""

    @property
    def capped(self) -> bool:
        """Whether later powers may be larger: still growing at the last, or stopped early."""
        return self.last < LARGEST_POWER or self.step == self.last


def transient_growth(matrix: FloatArray) -> PowerGrowth:
    """max over 0 ≤ k ≤ 1000 of ‖Wᵏ‖₂ and its k, for a matrix of spectral radius at most 1.

    Of W/ρ it is the growth that decay hides; for a defective W (a Jordan block) that has no limit.
    Infinite, with the step, where a power leaves float64's range.

    >>> transient_growth(np.array([[0.0, 8.0], [0.0, 0.0]]))
    PowerGrowth(growth=8.0, step=1, last=1000)
    """
    best, best_step, flops = 1.0, 0, 0.0
    power = np.eye(len(matrix))
    for step in range(1, LARGEST_POWER + 1):
        flops += 2.0 * matrix.size * power.shape[1]
        if flops > MOST_FLOPS:
            return PowerGrowth(best, best_step, step - 1)
        with np.errstate(over="ignore", invalid="ignore"):
            power = matrix @ power
        if not np.isfinite(power).all():
            return PowerGrowth(math.inf, step, LARGEST_POWER)
        # The costly norm is taken only where it could be a new maximum.
        norm = bound = norm_bound(power)
        if bound > best:
            norm = spectral_norm(power).value
            if norm > best * (1.0 + LARGER):
                best, best_step = norm, step
        if min(norm, bound) <= 1.0 + LARGER:
            # ‖Wᵏ⁺ʲ‖ ≤ ‖Wᵏ‖ ‖Wʲ‖ ≤ ‖Wʲ‖: no later power is larger than the earlier ones.
            break
        if step % COMPRESSED_EVERY == 0 and len(matrix) >= COMPRESSED_ORDER:
            power = _compressed(power)
    return PowerGrowth(best, best_step, LARGEST_POWER)


def _compressed(power: FloatArray) -> FloatArray:
    """U Σ of power = U Σ Vᵀ without its negligible part, (n, r).

    V turns the inputs only: the norms of this and of all its later products are the power's own.
    """
    squares, right = np.linalg.eigh(power.T @ power)
    return np.asarray(power @ right[:, squares > DROPPED**2 * squares[-1]])
