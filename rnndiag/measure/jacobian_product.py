"""The product of step Jacobians J_T … J_1: its largest singular value, and all of a short one's."""

from __future__ import annotations

import numpy as np

from rnndiag.cells.base import FloatArray
from rnndiag.measure.gradient import LN2, IntArray, ScaledVectors
from rnndiag.rollout import LayerRun

SWEEPS = 300
"""QR sweeps at most. Three are enough for 120 random factors of 6 × 6, whose singular values lie
decades apart; two values of ratio r come apart by r² a sweep."""

BLOCK = 4
"""Directions that are iterated together: convergence is by σ₅/σ₁ instead of σ₂/σ₁, at less than
twice the price of one direction."""

PASSES = 60
"""Over the run, at most; singular values of such products lie decades apart, so few are needed."""

CONVERGED = 1e-10
"""Change of ln σ₁ in one pass that ends it."""


def worst_case_log_growth(run: LayerRun, seed: int = 0) -> FloatArray:
    """ln σ₁(J_T … J_1) of each sample, shape (batch,): the growth of the worst direction.

    Block power iteration: a few orthonormal directions are carried to the end by J, and what they
    span there back to the start by Jᵀ, and so on; the largest singular value of what arrives grows
    from pass to pass and converges to σ₁ (Halko, Martinsson, Tropp 2011, §4.5). Rescaled at every
    step, so that nothing under- or overflows and no Jacobian is formed. -inf for a zero product.
    """
    batch, size = run.starts[0].shape
    vectors = np.random.default_rng([seed, 4]).standard_normal((batch, size, min(BLOCK, size)))
    log_sigma = np.full(batch, -np.inf)
    for number in range(PASSES):
        start = np.moveaxis(np.linalg.qr(vectors)[0], -1, 0)
        vectors, exponent = _carried(run, start, backward=number % 2 == 1)
        with np.errstate(divide="ignore"):
            sigma = np.log(np.linalg.norm(vectors, 2, axis=(-2, -1)))
        previous, log_sigma = log_sigma, sigma + exponent * LN2
        changed = log_sigma != previous  # -inf stays; its difference from itself would be nan
        if (np.abs(log_sigma[changed] - previous[changed]) < CONVERGED).all():
            break
    return log_sigma


def _carried(run: LayerRun, vectors_kbs: FloatArray, backward: bool) -> tuple[FloatArray, IntArray]:
    """Through the whole run, by J or back by Jᵀ: mantissas (batch, size, k), exponents (batch,)."""
    moved = ScaledVectors.of(vectors_kbs)
    for jacobian in run.linearised(backward):
        vectors = jacobian.vjp(moved.mantissa).state if backward else jacobian.jvp(moved.mantissa)
        moved = ScaledVectors.of(vectors, moved.exponent)
    exponent = moved.exponent.max(axis=0)
    return np.moveaxis(moved.brought_to(exponent), 0, -1), exponent


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
