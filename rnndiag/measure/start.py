"""How a layer's W_hh stands to where its training started: as it was drawn, shrunk, or zero."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rnndiag.cells.base import FloatArray
from rnndiag.measure.sampling import Sample

SIGNIFICANCE = 1e-3
"""Share of matrices that are as they were drawn, and are not taken for it, by each of two tests:
the largest entry, and Kolmogorov's distance. Two of a thousand are missed; what has been trained is
taken for untouched only while training has moved it by less than these tests can see."""

TELLING = 4.0
"""Kolmogorov's distance times √n that PyTorch's own box must have from another initialiser's before
that other one is considered: twice the distance of `SIGNIFICANCE`, 1.95. With fewer entries a
trained matrix whose largest entry lies there by chance would do."""

FAR = 3.29
"""Standard deviations beyond which a median is not that of an even distribution: again one of a
thousand. The box of an evenly shrunk matrix is only known from its largest entry, and Kolmogorov's
test alone kept a GRU of 16 units that 30 steps of SGD had trained, with weight decay."""

EVENLY = 0.5
"""Down to this share of its box, a matrix that still fills a box evenly is called untouched but for
weight decay; below, it is called shrunk."""


@dataclass(frozen=True)
class Start:
    """How W_hh stands to what an initialiser draws."""

    bound: float
    """1/√hidden: PyTorch draws from ±bound."""

    drawn: str | None
    """The initialiser whose draw it still is; None: it has been trained, or shrunk, or was drawn
    otherwise."""

    median_share: float
    """Median of |entries| that are not zero, over bound/2, which it is at PyTorch's start."""

    concentration: float
    """The same median over the root mean square: 0.87 of a uniform, 0.67 of a normal distribution,
    near 0 where few entries carry all."""

    even: bool
    """Whether its entries fill a box evenly, of whatever size: then no gradient has formed it."""

    diagonal_share: float
    """Median |entry| on the diagonal of the first block over bound/2: an identity start has it
    large, whatever became of the rest."""

    chance_so_small: float
    """Chance that n draws are all as small as its largest entry: (largest/bound)ⁿ, at most 1."""

    largest_row: float
    """Largest sum of |entries| of a row: no state within ±1 moves a unit's input by more."""


def start(sample: Sample, hidden: int, gates: int) -> Start:
    """Compare W_hh, (gates·hidden, hidden) and finite throughout, with what initialisers draw."""
    bound = hidden**-0.5
    magnitudes = np.abs(sample.entries)
    magnitudes = magnitudes[magnitudes > 0.0]
    median = _median(magnitudes)
    rms = math.sqrt(float(np.mean(magnitudes**2))) if magnitudes.size else 0.0
    return Start(
        bound=bound,
        drawn=_drawn(sample, hidden, gates),
        median_share=median / (bound / 2),
        concentration=median / rms if rms else 0.0,
        even=_is_even(sample),
        diagonal_share=_median(np.abs(sample.diagonal)) / (bound / 2),
        chance_so_small=min(sample.largest / bound, 1.0) ** sample.size,
        largest_row=sample.largest_row,
    )


def _drawn(sample: Sample, hidden: int, gates: int) -> str | None:
    """The first initialiser that the matrix may be a draw of."""
    own = hidden**-0.5
    if is_draw(sample, own):
        return f"PyTorch's uniform(±{own:.3g})"
    others = (
        ("Xavier's", math.sqrt(6 / ((gates + 1) * hidden))),
        ("Xavier's of each gate", math.sqrt(3 / hidden)),
        ("Kaiming's", math.sqrt(6 / hidden)),
    )
    for name, bound in others:
        if _tells(sample, own, bound) and is_draw(sample, bound):
            return f"{name} uniform(±{bound:.3g})"
    if is_orthogonal(sample, hidden):
        return "orthogonal"
    share = sample.largest / own
    if EVENLY <= share < 1.0 and _is_even(sample):
        return f"PyTorch's uniform(±{own:.3g}), shrunk evenly to {share:.3g} of it"
    return None


def _tells(sample: Sample, own: float, bound: float) -> bool:
    """Whether so many entries tell a box from PyTorch's own that training has changed."""
    apart = abs(own - bound) / max(own, bound) / 2.0
    return apart * math.sqrt(sample.entries.size) > TELLING


def is_draw(sample: Sample, bound: float) -> bool:
    """Whether the matrix may be n independent draws from uniform(−bound, bound), and is that large.

    Its largest |entry| is m with P(m ≤ r·bound) = rⁿ; Kolmogorov's distance is that of its sample.
    """
    share = sample.largest / bound
    if not 0.0 < share <= 1.0 + 2.0 * sample.rounding:
        return False
    chance = sample.size * math.log(min(share * (1.0 + 2.0 * sample.rounding), 1.0))
    return chance >= math.log(SIGNIFICANCE) and fills_evenly(sample, bound)


def _is_even(sample: Sample) -> bool:
    """Whether it fills a box evenly that n draws reach as far as its largest entry, on average."""
    reached = sample.largest * (sample.size + 1) / max(sample.size, 1)
    if reached <= 0.0 or not fills_evenly(sample, reached):
        return False
    # The median of n even magnitudes scatters by 1/√n of itself.
    off = abs(_median(np.abs(sample.entries)) / (reached / 2.0) - 1.0)
    return off * math.sqrt(sample.entries.size) <= FAR


def fills_evenly(sample: Sample, bound: float) -> bool:
    """Whether Kolmogorov's test keeps uniform(−bound, bound)."""
    if bound <= 0.0:
        return False
    return kolmogorov(sample.entries, bound) >= SIGNIFICANCE


def kolmogorov(entries: FloatArray, bound: float) -> float:
    """Probability of so large a distance from uniform(−bound, bound), or a larger one, by chance.

    D = sup |F_n − F|, λ = (√n + 0.12 + 0.11/√n)·D, p = 2 Σ (−1)^(j−1) exp(−2 j² λ²). Kolmogorov
    1933; Stephens 1970 for the finite n.

    >>> round(kolmogorov(np.linspace(-0.99, 0.99, 100), 1.0), 3)
    1.0
    """
    ordered = np.sort(entries)
    count = ordered.size
    expected = (np.clip(ordered / bound, -1.0, 1.0) + 1.0) / 2.0
    steps = np.arange(count + 1) / count
    distance = float(max((steps[1:] - expected).max(), (expected - steps[:-1]).max()))
    scaled = (math.sqrt(count) + 0.12 + 0.11 / math.sqrt(count)) * distance
    if scaled < 0.2:
        return 1.0  # where the series converges slowly, and p is above 0.999999
    terms = ((-1) ** (j - 1) * math.exp(-2.0 * (j * scaled) ** 2) for j in range(1, 101))
    return min(max(2.0 * math.fsum(terms), 0.0), 1.0)


def is_initial(sample: Sample, inputs: int, hidden: int, gates: int) -> bool:
    """Whether weight_ih, (gates·hidden, inputs), may be the draw of other initialisers.

    Those are Xavier's and Kaiming's uniform boxes, of the whole or of one gate, and orthogonal
    ones.
    """
    rows = (hidden, gates * hidden)
    squares = [*(6 / (one + inputs) for one in rows), 6 / inputs, 3 / inputs, 1 / inputs]
    bounds = [bound for square in squares if _tells(sample, hidden**-0.5, bound := square**0.5)]
    return any(is_draw(sample, bound) for bound in bounds) or is_orthogonal(sample, hidden)


def is_orthogonal(sample: Sample, hidden: int) -> bool:
    """Whether the first columns are orthogonal and of one length to the last bits.

    So is every block, or the whole, that torch.nn.init.orthogonal_ made: one step of training at a
    learning rate of 1e-4 turns a column by more. Weight decay may have shrunk it, to half at most.
    """
    columns = len(sample.gram)
    length = float(np.trace(sample.gram)) / max(columns, 1)
    if columns < 4 or length <= EVENLY**2:
        return False
    tolerance = max(1e-5, 8.0 * sample.rounding / math.sqrt(hidden))
    return bool(np.abs(sample.gram / length - np.eye(columns)).max() <= tolerance)


def _median(values: FloatArray) -> float:
    if not values.size:
        return 0.0
    middle = values.size // 2
    return float(np.partition(values, middle)[middle])
