"""What W_hh of a plain RNN implies as a map from state to state, and what it does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rnndiag.measure.nonnormality import RANDOM_HENRICI
from rnndiag.measure.powers import PowerGrowth
from rnndiag.measure.spectrum import BlockSpectrum
from rnndiag.measure.state_map import LARGEST_COMPLETE, StateMap
from rnndiag.rounding import judged

COMPARABLE = 16
"""Order from which a matrix is compared with random ones; smaller ones scatter too much."""

STRUCTURED = 1.5
"""Radius over gain above which W_hh is no random matrix: of 2,000 i.i.d. matrices of order 16 one
in a thousand exceeds 1.51, and fewer of larger ones."""

NON_NORMAL, NEARLY_NORMAL = 0.8, 0.55
"""Henrici's number outside which W_hh is no random matrix: 0.59 to 0.78 hold 99.8 % of those of
order 16, and less holds them of larger ones."""


def read_state_map(
    activation: str,
    block: BlockSpectrum,
    state_map: StateMap,
    order: int,
    limits: Mapping[str, float],
) -> Iterator[str]:
    """The sentences on W_hh, (order, order), and its activation.

    What is worth a sentence, growth of powers and uncertain eigenvalues, is what RD203 and RD204
    would find at the `limits` in force, by code.
    """
    yield _certificate(activation, block, state_map)
    if order >= COMPARABLE:
        yield from _against_random(block, state_map)
    yield from _growth(state_map, limits["RD203"])
    uncertainty, radius = state_map.eigenvalue_uncertainty, block.spectral_radius
    # Of the radius, as RD204 has it: a matrix in other units is as well conditioned.
    if uncertainty is not None and radius and judged(uncertainty / radius) >= limits["RD204"]:
        yield (
            "The eigenvalues are ill-conditioned: rounding alone may have moved the largest by "
            f"{uncertainty:.2g}."
        )
    if block.leading is not None and not block.leading.complete:
        yield (
            f"W_hh is larger than {LARGEST_COMPLETE}: its norm is proved to a relative "
            f"{block.norm.tolerance:.0e}, its {len(block.leading.values)} leading eigenvalues are "
            f"by Arnoldi's method (relative residual {block.leading.residual:.0e}), and what needs "
            "all of them or its powers was not computed."
        )


def _certificate(activation: str, block: BlockSpectrum, state_map: StateMap) -> str:
    radius = judged(block.spectral_radius or 0.0)
    scaled = state_map.scaled_norm
    if judged(block.spectral_norm) < 1.0:
        return (
            f"Certified: the spectral norm {block.spectral_norm:.4g} is below 1, so with "
            f"{activation} a gradient that has reached this layer shrinks at every step back, "
            "whatever the input."
        )
    if state_map.certified_contracting:
        return (
            "Certified: with a suitable unit for each neuron the norm of W_hh is "
            f"{scaled.value:.4g} (scaled norm), below 1, so with {activation} a gradient that has "
            f"reached this layer vanishes whatever the input: k steps back at most "
            f"{scaled.condition:.2g} x {scaled.value:.4g}^k of it is left."
        )
    if radius > 1.0:
        bends = "saturation" if activation == "tanh" else "switched-off units"
        return (
            f"The spectral radius {radius:.4g} of W_hh is above 1. That alone is no explosion: "
            f"{bends} can make every step contract."
        )
    return (
        f"The spectral radius {radius:.4g} of W_hh is at most 1. That alone is no proof that "
        f"gradients vanish: the spectral norm, {block.spectral_norm:.4g}, is not below 1, nor is "
        f"the scaled norm, {scaled.value:.4g}."
    )


def _against_random(block: BlockSpectrum, state_map: StateMap) -> Iterator[str]:
    ratio = judged(block.spectral_radius or 0.0) / block.gain if block.gain else 0.0
    if ratio > STRUCTURED:
        yield (
            f"The spectral radius is {ratio:.3g} times the gain; in a random matrix they are equal "
            "(circular law). So a few strong directions were learnt, or built in."
        )
    departure = state_map.henrici
    if departure is None or NEARLY_NORMAL <= departure <= NON_NORMAL:
        return
    compared = f"Henrici's departure {departure:.3g}; a random matrix has {RANDOM_HENRICI:.3f}"
    if departure > NON_NORMAL:
        yield (
            f"W_hh is far from normal ({compared}): over a few steps much more can happen than its "
            "eigenvalues say."
        )
    else:
        yield (
            f"W_hh is closer to normal than a random matrix ({compared}): its eigenvalues say "
            "nearly all of what it does over many steps."
        )


def _growth(state_map: StateMap, notable: float) -> Iterator[str]:
    plain, scaled = state_map.powers, state_map.scaled_powers
    if plain is not None and judged(plain.growth) > notable:
        yield (
            f"Powers of W_hh grow {plain.growth:.4g}-fold in {plain.step} steps before they decay"
            f"{_unfinished(plain)}."
        )
    elif scaled is not None and judged(scaled.growth) > notable:
        yield (
            "For a while W_hh grows faster than its eigenvalues say: its power "
            f"{scaled.step} is {scaled.growth:.4g} times the radius to that power"
            f"{_unfinished(scaled)}."
        )


def _unfinished(growth: PowerGrowth) -> str:
    return f", and powers above {growth.last} may be larger" if growth.capped else ""
