"""The tables of `spectrum`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from rnndiag.analysis import FileResult, LayerResult
from rnndiag.escape import printable
from rnndiag.measure.fixed_point import StepJacobian
from rnndiag.measure.spectrum import Spectrum, StateMap
from rnndiag.readings.spectrum import read_spectrum
from rnndiag.render.base import Screen, number
from rnndiag.render.pictures import complex_plane
from rnndiag.render.table.parts import (
    DETAILED_LAYERS,
    bullets,
    cell_name,
    heading,
    picture,
    table,
)

SHOWN_EIGENVALUES = 4
"""Leading eigenvalues in the table; JSON has all of them."""


def show(result: FileResult, screen: Screen) -> Iterator[RenderableType]:
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
        if item.spectrum.state_map is not None:
            yield _state_map(item.spectrum.state_map)
        jacobian = item.spectrum.settling.jacobian
        yield from _jacobian(jacobian, item.spectrum.settling.after_push)
        yield from _pictures(item.spectrum, screen)
        yield bullets(read_spectrum(item.layer, item.spectrum))


def _overview(layers: Sequence[LayerResult]) -> RenderableType:
    made = table(
        *("layer", "cell", "W_hh block norms", "radius of J", "time constant"),
        left=("layer", "cell", "W_hh block norms"),
    )
    for item in layers:
        if item.spectrum is None:
            made.add_row(Text(printable(item.layer.label)), cell_name(item.layer), "not finite")
            continue
        jacobian = item.spectrum.settling.jacobian
        made.add_row(
            Text(printable(item.layer.label)),
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


def _state_map(state_map: StateMap) -> RenderableType:
    made = table(
        "W_hh as a map", "value", "for comparison", left=("W_hh as a map", "for comparison")
    )
    made.add_row("Henrici departure", number(state_map.henrici), "0.707 for a random matrix")
    made.add_row("orthogonality error", number(state_map.orthogonality_error), "0 for orthogonal")
    growth = number(state_map.transient_growth)
    made.add_row("transient growth", growth, "1 for a normal matrix of radius below 1")
    return made


def _jacobian(jacobian: StepJacobian, pushed: StepJacobian | None) -> Iterator[RenderableType]:
    if jacobian.at == "none":
        return
    made = table(
        *("step Jacobian at", "spectral radius", "norm", "time constant", "period"),
        left=("step Jacobian at",),
    )
    for one, where in ((jacobian, _where(jacobian)), (pushed, "where a push leads")):
        if one is not None:
            made.add_row(
                where,
                number(one.spectral_radius),
                number(one.spectral_norm),
                number(one.time_constant),
                number(one.period),
            )
    yield made
    leading = ", ".join(_complex(value) for value in jacobian.eigenvalues[:SHOWN_EIGENVALUES])
    yield Text(f"leading eigenvalues of the step Jacobian: {leading}")


def _where(jacobian: StepJacobian) -> str:
    if jacobian.at == "origin":
        return "h = 0"
    return "fixed point, stable" if jacobian.stable else "fixed point, unstable"


def _complex(value: complex) -> str:
    if abs(value.imag) < 1e-12:
        return f"{value.real:.4g}"
    return f"{value.real:.4g}{value.imag:+.4g}i"


def _pictures(spectrum: Spectrum, screen: Screen) -> Iterator[RenderableType]:
    own = spectrum.blocks[0].eigenvalues
    if own is not None:
        yield picture(["eigenvalues of W_hh", *complex_plane(own, screen.unicode)])
    elif spectrum.settling.jacobian.at != "none":
        values = spectrum.settling.jacobian.eigenvalues
        yield picture(["eigenvalues of the step Jacobian", *complex_plane(values, screen.unicode)])
