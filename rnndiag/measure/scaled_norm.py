"""The spectral norm in the best units: a sharper certificate that gradients vanish."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rnndiag.cells.base import FloatArray
from rnndiag.measure.norms import frobenius, largest_exponent, spectral_norm

WIDEST = math.log(1e8)
"""ln of the largest ratio of two scales. A larger one would certify what shows only after hundreds
of steps; it also keeps D W D⁻¹ free of rounding, and ends where no best D exists, as for a
nilpotent matrix, whose norm falls below every bound."""

PERRON_ORDER, PERRON_SQUARINGS = 1024, 40
"""Up to this order Perron vectors are found: by some 5 products of matrices, for a nearly cyclic
one more."""

BALANCING_SWEEPS = 500
"""At most; 20 are enough for most, at n² each."""

STEADY = 1e-4
"""Change of every logarithmic scale that ends either: they are only a start."""

TINY = float(np.finfo(np.float64).tiny)

DESCENT_FLOPS = 1e8
"""n³ times the number of SVDs that the descent may take at each power: half a second in all."""

MOST_EVALUATIONS = 40
"""At each of the powers below: BFGS gains little after."""

POWERS = (2.0, 8.0, 32.0, 128.0)
"""Schatten norms of order 2p that are minimised in turn, ever closer to the spectral norm, which
itself has a kink where its two largest singular values meet, as they do at most minima."""


@dataclass(frozen=True)
class ScaledNorm:
    """‖D W D⁻¹‖₂ for the best diagonal D found, and how uneven that D is."""

    value: float

    condition: float
    """max D / min D: after k steps the gradient is at most this times value^k."""


class _Point(NamedTuple):
    """Logarithmic scales x with D = diag(e^x), and what the norm is there."""

    scales: FloatArray
    log_norm: float


def scaled_norm(matrix: FloatArray) -> ScaledNorm:
    """min over diagonal D > 0 of ‖D W D⁻¹‖₂, or as close as found, W of shape (n, n).

    Every D gives a valid bound, so that the value is a certificate although the minimum is not
    proved. If it is below 1, every product of step Jacobians diag(φ′) W with |φ′| ≤ 1, as tanh and
    relu have, shrinks: diagonal matrices commute, D diag(φ′) W D⁻¹ = diag(φ′) D W D⁻¹, so that in
    units of D every step shrinks by the value at least, whatever the input, and in the usual ones
    k steps by value^k but for the factor max D / min D.

    In x = ln D the logarithm of the norm is convex (Sezginer & Overton 1990). Starts: the Perron
    vectors y, x of |W|, D = √(y/x), with which a non-negative W attains ρ; and the D that minimises
    the Frobenius norm (Osborne 1960). From the better one, BFGS on Schatten norms ever closer to
    the spectral norm, as far as n³ allows: 40 evaluations at each up to order 135, 5 at 256, none
    above 368, where the better start is taken as it is: as valid a bound, less sharp. At least ρ,
    at most σ₁.

    >>> round(scaled_norm(np.array([[0.0, 8.0], [2.0, 0.0]])).value, 9)
    4.0
    """
    exponent = largest_exponent(matrix)
    scaled = np.ldexp(matrix, -exponent)
    plain = _Point(np.zeros(len(matrix)), _log(spectral_norm(scaled).value))
    if plain.log_norm == -math.inf:
        return ScaledNorm(0.0, 1.0)
    starts = [_evaluate(scaled, scales) for scales in _starts(scaled)]
    best = min(starts, key=lambda point: point.log_norm)
    best = min(_descend(scaled, best), plain, key=lambda point: point.log_norm)
    return ScaledNorm(
        value=math.ldexp(math.exp(best.log_norm), exponent),
        condition=math.exp(float(np.ptp(best.scales))),
    )


def _log(value: float) -> float:
    return math.log(value) if value > 0.0 else -math.inf


def _evaluate(matrix: FloatArray, scales: FloatArray) -> _Point:
    """The norm as it really is with these scales; its own tolerance is added, to stay a bound."""
    norm = spectral_norm(_rescaled(matrix, scales))
    return _Point(scales, _log(norm.value * (1.0 + norm.tolerance)))


def _rescaled(matrix: FloatArray, scales: FloatArray) -> FloatArray:
    return np.asarray(np.exp(scales)[:, None] * matrix * np.exp(-scales))


def _limited(scales: FloatArray) -> FloatArray:
    """The same around 0, no two of them further apart than WIDEST."""
    middle = (scales.max() + scales.min()) / 2.0
    return np.asarray(np.clip(scales - middle, -WIDEST / 2.0, WIDEST / 2.0))


def _starts(matrix: FloatArray) -> list[FloatArray]:
    # Entries of e^-WIDEST for 0: without them a block triangular W has its best D at infinity.
    positive = np.abs(matrix) + frobenius(matrix) * math.exp(-WIDEST) / len(matrix)
    starts = [_balance(positive)]
    if len(matrix) <= PERRON_ORDER:
        starts.append(_limited(_perron_scales(positive)))
    return starts


def _balance(positive: FloatArray) -> FloatArray:
    """Scales that minimise the Frobenius norm of positive entries (n, n): shape (n,).

    Every sweep moves all of them at once by ⅛ ln(‖column‖²/‖row‖²), to the minimum of a bound on
    the norm that touches it (by the inequality of means), so that no sweep enlarges it.
    """
    scales = np.zeros(len(positive))
    square = np.square(positive)
    for _ in range(BALANCING_SWEEPS):
        factors = np.exp(2.0 * scales)
        rows = factors * (square @ (1.0 / factors))
        columns = (factors @ square) / factors
        move = np.log(columns / rows) / 8.0
        scales = _limited(scales + move)
        if np.abs(move).max() < STEADY:
            break
    return scales


def _perron_scales(positive: FloatArray) -> FloatArray:
    """½ ln(y/x) of the Perron vectors of a positive matrix (n, n): shape (n,).

    By squaring it, its diagonal enlarged: sums of positive numbers, so that the smallest entries of
    y and x are right, too.
    """
    power = positive + np.eye(len(positive)) * positive.sum(axis=1).mean()
    scales = np.zeros(len(positive))
    for _ in range(PERRON_SQUARINGS):
        power = power @ power
        power /= power.max()
        # Entries far below the largest underflow; that leaves their scales at the limit.
        right, left = power.sum(axis=1) + TINY, power.sum(axis=0) + TINY
        previous, scales = scales, np.log(left / right) / 2.0
        if np.abs(scales - previous).max() < STEADY:
            break
    return np.asarray(scales)


def _descend(matrix: FloatArray, start: _Point) -> _Point:
    """BFGS with a halving line search on every Schatten norm in turn; the best norm met."""
    evaluations = int(min(MOST_EVALUATIONS, DESCENT_FLOPS / len(matrix) ** 3))
    best = start
    for power in POWERS:
        best = _bfgs(matrix, best, power, evaluations)
    return best


def _bfgs(matrix: FloatArray, start: _Point, power: float, evaluations: int) -> _Point:
    if evaluations < 2:
        return start
    best, scales = start, start.scales
    inverse = np.eye(len(matrix)) / (4.0 * power)
    value, gradient, _ = _schatten(matrix, scales, power)
    direction, length = -inverse @ gradient, 1.0
    for _ in range(evaluations - 1):
        trial = _limited(scales + length * direction)
        new_value, new_gradient, log_norm = _schatten(matrix, trial, power)
        if log_norm < best.log_norm:
            best = _Point(trial, log_norm)
        if new_value > value + 1e-4 * float(gradient @ (trial - scales)):
            length /= 2.0
            continue
        inverse = _updated(inverse, trial - scales, new_gradient - gradient)
        scales, value, gradient = trial, new_value, new_gradient
        direction, length = -inverse @ gradient, 1.0
        if np.abs(gradient).max() < 1e-6:
            break
    return best


def _updated(inverse: FloatArray, step: FloatArray, change: FloatArray) -> FloatArray:
    """BFGS's next inverse Hessian; the same where the step says nothing of the curvature."""
    curvature = float(step @ change)
    if curvature <= 1e-12 * float(np.linalg.norm(step) * np.linalg.norm(change)):
        return inverse
    left = np.eye(len(step)) - np.outer(step, change) / curvature
    return np.asarray(left @ inverse @ left.T + np.outer(step, step) / curvature)


def _schatten(
    matrix: FloatArray, scales: FloatArray, power: float
) -> tuple[float, FloatArray, float]:
    """ln of the Schatten norm of order 2p, its gradient in the scales, and ln of σ₁.

    With D W D⁻¹ = U Σ Vᵀ: ∂/∂x_i = Σ_k w_k (u_ik² − v_ik²), w_k ∝ σ_k^{2p}.
    """
    left, sigma, right = np.linalg.svd(_rescaled(matrix, scales))
    weights = (sigma / sigma[0]) ** (2.0 * power)
    total = float(weights.sum())
    gradient = (np.square(left) - np.square(right.T)) @ weights / total
    log_norm = _log(float(sigma[0]))
    return log_norm + math.log(total) / (2.0 * power), gradient, log_norm
