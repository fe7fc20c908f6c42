"""The numbers beside the complex plane."""

from __future__ import annotations

from collections.abc import Iterator

from rnndiag.measure.powers import PowerGrowth
from rnndiag.measure.spectrum import Spectrum
from rnndiag.measure.state_map import StateMap
from rnndiag.readings.settling import point_rate
from rnndiag.render.base import number
from rnndiag.render.html.element import Element
from rnndiag.render.html.parts import table
from rnndiag.render.shared.spectrum import DRIVES, complex_number, jacobian_place


def spectrum_tables(spectrum: Spectrum) -> Iterator[Element]:
    """Blocks of W_hh, what it is as a map, the step Jacobian, its modes, and growth rates."""
    yield _blocks(spectrum)
    if spectrum.state_map is not None:
        yield _state_map(spectrum.state_map)
    if spectrum.settling.jacobian.at != "none":
        yield _jacobians(spectrum)
        yield _modes(spectrum)
        yield _rates(spectrum)


def _blocks(spectrum: Spectrum) -> Element:
    # A gate's eigenvalues say nothing about memory, so they are not shown.
    plain = spectrum.state_map is not None
    headers = ["block", "spectral norm", "gain", *(["spectral radius"] if plain else [])]
    rows = [
        [
            block.block,
            number(block.spectral_norm),
            number(block.gain),
            *([number(block.spectral_radius)] if plain else []),
        ]
        for block in spectrum.blocks
    ]
    return table("Blocks of W_hh", headers, rows)


def _state_map(state_map: StateMap) -> Element:
    rows = [
        ["Henrici departure", number(state_map.henrici), "0 normal, 0.707 random, 1 at most"],
        ["scaled norm", number(state_map.scaled_norm.value), "below 1: gradients surely vanish"],
        ["orthogonality error", number(state_map.orthogonality_error), "0 for orthogonal"],
        ["transient growth", _growth(state_map.powers), "1 for a normal matrix"],
        ["the same of W / radius", _growth(state_map.scaled_powers), "1 for a normal matrix"],
        ["radius may be lower by", number(state_map.eigenvalue_uncertainty), "rounding"],
    ]
    return table("W_hh as a map from state to state", ["measure", "value", "to compare with"], rows)


def _growth(growth: PowerGrowth | None) -> str:
    return number(None if growth is None else growth.growth)


def _jacobians(spectrum: Spectrum) -> Element:
    settling = spectrum.settling
    places = [(settling.jacobian, jacobian_place(settling.jacobian))]
    if settling.after_push is not None:
        places.append((settling.after_push, "where a push leads"))
    rows = [
        [
            place,
            number(one.spectral_radius),
            number(one.spectral_norm),
            number(one.time_constant),
            number(one.period),
        ]
        for one, place in places
    ]
    headers = ["taken at", "spectral radius", "norm", "time constant (steps)", "period (steps)"]
    return table("Step Jacobian, without input", headers, rows)


def _modes(spectrum: Spectrum) -> Element:
    rows = [
        [
            str(place),
            complex_number(mode.eigenvalue),
            number(abs(mode.eigenvalue)),
            number(mode.time_constant),
            number(mode.period),
        ]
        for place, mode in enumerate(spectrum.settling.jacobian.modes, start=1)
    ]
    headers = ["mode", "eigenvalue", "modulus", "time constant (steps)", "period (steps)"]
    return table("Slowest modes of the step Jacobian", headers, rows)


def _rates(spectrum: Spectrum) -> Element:
    place = jacobian_place(spectrum.settling.jacobian)
    rows = [[f"ln of the radius, {place}", number(point_rate(spectrum.settling.jacobian)), ""]]
    for rate in spectrum.along:
        value = "overflow" if rate.rate is None else number(rate.rate)
        rows.append([DRIVES[rate.drive], value, f"{rate.margin:.2g}" if rate.margin else ""])
    return table("Growth rate of small changes", ["measured", "nats a step", "±"], rows)
