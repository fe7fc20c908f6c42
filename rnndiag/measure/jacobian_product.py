"""The product of step Jacobians J_T … J_1: its largest singular value, and all of a short one's."""

from __future__ import annotations

import numpy as np

from rnndiag.cells.base import FloatArray
from rnndiag.measure.gradient import ScaledVectors
from rnndiag.rollout import LayerRun

SWEEPS = 300
"""QR sweeps at most. Three are enough for 120 random factors of 6 × 6, whose singular values lie
decades apart; two values of ratio r come apart by r² a sweep."""

POWER_ITERATIONS = 30
"""At most; singular values of such products lie decades apart, so few are needed."""

CONVERGED = 1e-10
"""Change of ln σ₁ in one iteration that ends it."""


def worst_case_log_growth(run: LayerRun, seed: int = 0) -> FloatArray:
    """ln σ₁(J_T … J_1) of each sample, shape (batch,): the growth of the worst direction.

    Power iteration on PᵀP with products of J and Jᵀ alone, rescaled at every step, so that nothing
    under- or overflows and no Jacobian is formed. -inf for a product that is zero.
    """
    batch, size = run.starts[0].shape
    vectors = np.random.default_rng([seed, 4]).standard_normal((batch, size))
    log_sigma = np.full(batch, -np.inf)
    for _ in range(POWER_ITERATIONS):
        start = ScaledVectors.of(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))
        forward = start
        for jacobian in run.linearised():
            forward = ScaledVectors.of(jacobian.jvp(forward.mantissa), forward.exponent)
        previous, log_sigma = log_sigma, forward.log_norm()
        if not np.isfinite(log_sigma).all() or np.abs(log_sigma - previous).max() < CONVERGED:
            break
        backward = forward
        for jacobian in run.linearised(backward=True):
            pulled = jacobian.vjp(backward.mantissa).state
            backward = ScaledVectors.of(pulled, backward.exponent)
        if not backward.mantissa.any(axis=-1).all():
            break
        vectors = backward.mantissa
    return log_sigma


def product_singular_values(factors_tnn: FloatArray) -> FloatArray:
    """Natural logarithms of all singular values of J_T … J_1, largest first, shape (n,).

    factors_tnn[0] is J_1. The product itself would lose the small ones. Iterated QR: push Q through
    the factors, leaving triangular ones; their transposes in reverse order have the same singular
    values and are closer to diagonal (Stewart 1997).

    >>> factors = np.array([np.diag([2.0, 1e-3])] * 200)
    >>> np.round(product_singular_values(factors) / 200, 12) == np.round(np.log([2.0, 1e-3]), 12)
    array([ True,  True])
    """
    factors = list(factors_tnn)
    logs = np.full(len(factors[0]), -np.inf)
    for _ in range(SWEEPS):
        factors = _sweep(factors)
        previous, logs = logs, _log_diagonal(factors)
        if np.allclose(logs, previous, rtol=0.0, atol=CONVERGED / 100):
            break
    return np.sort(logs)[::-1]


def _sweep(factors: list[FloatArray]) -> list[FloatArray]:
    """Triangular factors of the transposed product, in its order."""
    q = np.eye(len(factors[0]))
    triangular = []
    for factor in factors:
        q, r = np.linalg.qr(factor @ q)
        triangular.append(r.T)
    return triangular[::-1]


def _log_diagonal(factors: list[FloatArray]) -> FloatArray:
    with np.errstate(divide="ignore"):
        logs = [np.log(np.abs(np.diagonal(factor))) for factor in factors]
    return np.asarray(np.sum(logs, axis=0))
