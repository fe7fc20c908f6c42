"""The clip value in words."""

from __future__ import annotations

from collections.abc import Iterator

from rnndiag.advice import ClippingAdvice

BASIS = {
    "logged-norms": "measured: the norms you logged",
    "optimizer-state": "measured: optimizer state in the file",
    "already-clipped": "the clip value in force; norms before it unknown",
    "convention": "convention, not measured",
}
"""What a value rests on, for its row."""


def sentences(clipping: ClippingAdvice) -> Iterator[str]:
    """Where the value comes from and what to bear in mind."""
    yield f"Clip value: {clipping.reason}."
    if clipping.reasonable_range is not None:
        low, high = clipping.reasonable_range
        yield f"Values from {low:.2g} to {high:.2g} are worth trying (Pascanu et al. 2013)."
    yield from (f"Clip value: {caveat}." for caveat in clipping.caveats)
    if clipping.setting is not None:
        name, value = clipping.setting
        yield f"The file itself says {name} = {value:g}."
