"""The tables of `spectrum`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from rnndiag.analysis import FileResult, LayerResult
from rnndiag.escape import printable
from rnndiag.measure.fixed_point import StepJacobian
from rnndiag.measure.powers import PowerGrowth
from rnndiag.measure.spectrum import BlockSpectrum, Spectrum
from rnndiag.measure.state_map import StateMap
from rnndiag.readings.settling import point_rate
from rnndiag.readings.spectrum import read_spectrum
from rnndiag.render.base import Screen, number, short
from rnndiag.render.pictures import complex_plane
from rnndiag.render.shared.layers import cell_name
from rnndiag.render.shared.spectrum import DRIVES, complex_number, jacobian_place
from rnndiag.render.table.names import LayerName
from rnndiag.render.table.parts import (
    DETAILED_LAYERS,
    bullets,
    heading,
    picture,
    table,
)
from rnndiag.rules import Limits

GAIN = "gain: Frobenius norm / sqrt(units); 0.58 as PyTorch initialises"


def show(result: FileResult, screen: Screen, limits: Limits) -> Iterator[RenderableType]:
    """Everything for a few layers, one row a layer for many."""
    if len(result.layers) > DETAILED_LAYERS:
        yield _overview(result.layers)
        yield bullets(["name layers for pictures and readings: --layer NAME"])
        return
    for item in result.layers:
        yield heading(item.layer)
        if item.spectrum is None:
            yield Text(f"not measured: {printable(item.not_measured or '')}")
            continue
        yield _blocks(item.spectrum)
        yield Text(GAIN, style="dim")
        if item.spectrum.state_map is not None:
            yield _state_map(item.spectrum.blocks[0], item.spectrum.state_map)
        jacobian = item.spectrum.settling.jacobian
        yield from _jacobian(jacobian, item.spectrum.settling.after_push)
        yield from _rates(item.spectrum)
        yield from _pictures(item.spectrum, screen)
        yield bullets(read_spectrum(item.layer, item.spectrum, limits))


def _overview(layers: Sequence[LayerResult]) -> RenderableType:
    made = table(
        *("layer", "cell", "W_hh block norms", "radius of J", "time constant"),
        left=("layer", "cell", "W_hh block norms"),
    )
    for item in layers:
        if item.spectrum is None:
            made.add_row(LayerName(item.layer.label), cell_name(item.layer), "not finite")
            continue
        jacobian = item.spectrum.settling.jacobian
        made.add_row(
            LayerName(item.layer.label),
            cell_name(item.layer),
            ", ".join(f"{b.block} {b.spectral_norm:.4g}" for b in item.spectrum.blocks),
            number(jacobian.spectral_radius),
            number(jacobian.time_constant),
        )
    return made


def _blocks(spectrum: Spectrum) -> RenderableType:
    plain = spectrum.state_map is not None
    headers = ["W_hh block", "spectral norm", "gain"]
    made = table(*headers, *(["spectral radius"] if plain else []), left=("W_hh block",))
    for block in spectrum.blocks:
        radius = [number(block.spectral_radius)] if plain else []
        made.add_row(block.block, number(block.spectral_norm), number(block.gain), *radius)
    return made


def _state_map(block: BlockSpectrum, state_map: StateMap) -> RenderableType:
    made = table("W_hh as a map", "value", TO_COMPARE, left=("W_hh as a map", TO_COMPARE))
    ratio = (block.spectral_radius or 0.0) / block.gain if block.gain else None
    made.add_row("radius / gain", number(ratio), "1 for a random matrix")
    made.add_row(
        "Henrici departure", number(state_map.henrici), "0 normal, 0.707 random, 1 at most"
    )
    made.add_row(
        "scaled norm",
        number(state_map.scaled_norm.value),
        "below 1 certifies that gradients vanish",
    )
    made.add_row("orthogonality error", number(state_map.orthogonality_error), "0 for orthogonal")
    made.add_row("transient growth", *_growth(state_map.powers, "radius is not below 1"))
    made.add_row(
        "the same of W / radius", *_growth(state_map.scaled_powers, "no finite W / radius")
    )
    uncertainty = state_map.eigenvalue_uncertainty
    made.add_row("radius may be lower by", short(uncertainty), "rounding, seen through W_hh")
    return made


TO_COMPARE = "to compare with"


def _growth(growth: PowerGrowth | None, why_not: str) -> tuple[str, str]:
    """The value, and where it is reached."""
    if growth is None:
        return number(None), why_not
    beyond = f"; beyond {growth.last} unknown" if growth.capped else ""
    return number(growth.growth), f"at power {growth.step}{beyond}; 1 for a normal matrix"


def _jacobian(jacobian: StepJacobian, pushed: StepJacobian | None) -> Iterator[RenderableType]:
    if jacobian.at == "none":
        return
    made = table(
        *("step Jacobian at", "spectral radius", "norm", "time constant", "period"),
        left=("step Jacobian at",),
    )
    for one, where in ((jacobian, jacobian_place(jacobian)), (pushed, "where a push leads")):
        if one is not None:
            made.add_row(
                where,
                number(one.spectral_radius),
                number(one.spectral_norm),
                number(one.time_constant),
                number(one.period),
            )
    yield made
    if len(jacobian.modes) > 1:
        yield _modes(jacobian)


def _modes(jacobian: StepJacobian) -> RenderableType:
    """The leading eigenvalues one by one."""
    made = table("mode", "eigenvalue of J", "modulus", "time constant", "period")
    for place, mode in enumerate(jacobian.modes, start=1):
        made.add_row(
            str(place),
            complex_number(mode.eigenvalue),
            short(abs(mode.eigenvalue)),
            short(mode.time_constant),
            short(mode.period),
        )
    return made


def _rates(spectrum: Spectrum) -> Iterator[RenderableType]:
    """ln ρ beside the rates along trajectories."""
    at_point = point_rate(spectrum.settling.jacobian)
    if at_point is None or not spectrum.along:
        return
    made = table(RATE, "nats a step", "+/-", left=(RATE,))
    made.add_row(
        f"ln of the radius, {jacobian_place(spectrum.settling.jacobian)}", short(at_point), ""
    )
    for rate in spectrum.along:
        value = "overflow" if rate.rate is None else short(rate.rate)
        made.add_row(DRIVES[rate.drive], value, f"{rate.margin:.2g}" if rate.margin else "")
    yield made


RATE = "growth rate of small changes"


def _pictures(spectrum: Spectrum, screen: Screen) -> Iterator[RenderableType]:
    own = spectrum.blocks[0].eigenvalues
    if own is not None:
        yield picture(["eigenvalues of W_hh", *complex_plane(own, screen.unicode)])
    elif spectrum.settling.jacobian.at != "none":
        values = spectrum.settling.jacobian.eigenvalues
        yield picture(["eigenvalues of the step Jacobian", *complex_plane(values, screen.unicode)])
