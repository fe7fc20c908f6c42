"""The clip value in words."""

from __future__ import annotations

from collections.abc import Iterator

from rnndiag.advice import ClippingAdvice
from rnndiag.advice.norm_shares import NormShares

BASIS = {
    "logged-norms": "measured: the norms you logged",
    "probe": "measured: the probe's gradients",
    "optimizer-state": "measured: optimizer state in the file",
    "already-clipped": "the clip value in force; norms before it unknown",
    "convention": "convention, not measured",
}
"""What a value rests on, for its row."""

LITTLE = 0.05
"""A share of the squared norm, less than a quarter of the norm, that no clip value answers to."""

NAMED = 0.05
"""Parameters with a smaller share of the norm are not named; at most three are."""


def sentences(clipping: ClippingAdvice) -> Iterator[str]:
    """Where the value comes from and what to bear in mind."""
    yield f"Clip value: {clipping.reason}.{_range(clipping.reasonable_range)}"
    yield from (f"Clip value: {caveat}." for caveat in clipping.caveats)
    present = clipping.present
    if present is not None:
        yield f"The file itself says {present.name} = {present.value:g}: {present.effect}."
    if clipping.shares is not None:
        yield _shares(clipping.shares)


def _range(around: tuple[float, float] | None) -> str:
    if around is None:
        return ""
    low, high = around
    return f" Values from {low:.2g} to {high:.2g} are worth trying (Pascanu et al. 2013)."


def _shares(shares: NormShares) -> str:
    """The largest parts of the norm, and the recurrence's own."""
    named = [one for one in shares.parameters if one.share >= NAMED][:3]
    parts = ", ".join(f"{one.share:.0%} {one.name}" for one in named)
    largest = shares.parameters[0].share
    decides = ", so the rest decides the clip value" if shares.recurrent < LITTLE else ""
    return (
        f"The squared norm consists of: {parts or f'at most {largest:.0%} of any parameter'}. All "
        f"recurrent layers: {_percent(shares.recurrent)}, a norm of {shares.recurrent_norm:.2g} of "
        f"their own{decides}."
    )


def _percent(share: float) -> str:
    return "less than 1%" if 0.0 < share < 0.005 else f"{share:.0%}"
