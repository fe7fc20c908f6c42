"""Inner products from factors against gradients that are formed one by one."""

from __future__ import annotations

import numpy as np
import pytest

from rnndiag.measure import gram
from rnndiag.measure.gram import Factors, compare

LOSSES, BATCH, STEPS, LAGS = 2, 3, 2, 7
SAMPLES = BATCH * STEPS


def factors(seed=0):
    """Of two parameters, 4 × 5 and 6 × 2."""
    rng = np.random.default_rng(seed)
    return [
        Factors(
            rng.standard_normal((LOSSES, SAMPLES, LAGS, rows)),
            rng.standard_normal((SAMPLES, LAGS, columns)),
        )
        for rows, columns in ((4, 5), (6, 2))
    ]


def formed(parts, samples):
    """Every outer product, written out: (losses, samples, lags, parameters)."""
    each = [
        np.einsum("nskr,skc->nskrc", left, right).reshape(LOSSES, SAMPLES, LAGS, -1)
        for left, right in parts
    ]
    return np.concatenate(each, axis=-1)[:, samples]


FIRST = [0, 1, 3, 4]
"""Of a batch of three the first two, at both loss steps."""

SECOND = [2, 5]


@pytest.mark.parametrize("cheaper", [False, True], ids=["pairs", "formed"])
def test_known_losses_add_up_over_samples(cheaper, monkeypatch):
    monkeypatch.setattr(gram, "_forming_is_cheaper", lambda _: cheaper)
    parts = factors()
    found = compare(parts, independent=False, batch=BATCH)

    def expected(samples):
        by_loss = formed(parts, samples).sum(axis=1)
        return np.einsum("nkp,nlp->kl", by_loss, by_loss)

    np.testing.assert_allclose(found.whole, expected(list(range(SAMPLES))), rtol=1e-10, atol=1e-10)
    for half, samples in zip(found.halves, (FIRST, SECOND), strict=True):
        np.testing.assert_allclose(half, expected(samples), rtol=1e-10, atol=1e-10)
    assert not found.independent


def test_independent_losses_do_not_meet():
    parts = factors()
    found = compare(parts, independent=True, batch=BATCH)
    for result, samples in (
        (found.whole, list(range(SAMPLES))),
        (found.halves[0], FIRST),
        (found.halves[1], SECOND),
    ):
        each = formed(parts, samples)
        expected = np.einsum("nskp,nslp->kl", each, each)
        np.testing.assert_allclose(result, expected, rtol=1e-10, atol=1e-10)
    assert found.independent


def test_gradients_are_formed_in_blocks(monkeypatch):
    monkeypatch.setattr(gram, "_forming_is_cheaper", lambda _: True)
    whole = compare(factors(), independent=False, batch=BATCH).whole
    monkeypatch.setattr(gram, "PARAMETER_BYTES", 1)
    by_row = compare(factors(), independent=False, batch=BATCH).whole
    np.testing.assert_allclose(by_row, whole, rtol=1e-10, atol=1e-12)


def test_what_is_cheaper_is_a_matter_of_sizes():
    """Many samples of a small layer are formed; few of a large one are compared in pairs."""
    sized = lambda samples, lags, width: [
        Factors(np.empty((1, samples, lags, 4 * width)), np.empty((samples, lags, 2 * width)))
    ]
    assert gram._forming_is_cheaper(sized(256, 80, 24))
    assert not gram._forming_is_cheaper(sized(8, 200, 512))
