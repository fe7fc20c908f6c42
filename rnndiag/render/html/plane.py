"""The complex plane as a picture: unit circle, circular law, eigenvalues."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from rnndiag.measure.eigenvalues import ComplexArray
from rnndiag.measure.spectrum import Spectrum
from rnndiag.readings.words import counted
from rnndiag.render.html.axes import Frame, Labels, coordinate, picture, ticks
from rnndiag.render.html.element import Element, element
from rnndiag.render.shared.spectrum import jacobian_place

SIDE = 290.0
MARGIN = 1.12
"""The picture reaches so much further than the largest eigenvalue."""


def plane(spectrum: Spectrum, points: int, file: int, layer: int) -> Element | None:
    """The picture of one layer; None where no eigenvalues were computed."""
    own = spectrum.blocks[0].eigenvalues
    jacobian = spectrum.settling.jacobian
    if own is None and not jacobian.eigenvalues.size:
        return None
    limit = MARGIN * _largest(spectrum)
    frame = Frame(SIDE, SIDE, -limit, limit, -limit, limit)
    marked = [(value, f"{value:g}") for value in ticks(-limit, limit, 5)]
    labels = Labels("Eigenvalues in the complex plane", _description(spectrum), REAL, IMAGINARY)
    drawn = [*_circles(frame, spectrum)]
    if own is not None:
        drawn.append(_dots(frame, own[:points]))
    if jacobian.eigenvalues.size:
        drawn.append(_crosses(frame, jacobian.eigenvalues[:points]))
    return picture(
        frame,
        labels,
        marked,
        marked,
        drawn,
        class_="plane",
        tabindex=0,
        data_file=file,
        data_layer=layer,
    )


REAL, IMAGINARY = "real part", "imaginary part"


def _largest(spectrum: Spectrum) -> float:
    """Of everything that has to be seen."""
    shown = [1.0]
    own = spectrum.blocks[0].eigenvalues
    if own is not None:
        shown += [*np.abs(own[:1]).tolist(), spectrum.blocks[0].gain]
    shown += np.abs(spectrum.settling.jacobian.eigenvalues[:1]).tolist()
    return max(filter(math.isfinite, shown))


def _description(spectrum: Spectrum) -> str:
    own = spectrum.blocks[0].eigenvalues
    jacobian = spectrum.settling.jacobian
    said = (
        []
        if own is None
        else [f"{counted(len(own), 'eigenvalue')} of W_hh, largest {abs(own[0]):.4g}."]
    )
    if jacobian.eigenvalues.size:
        count = counted(len(jacobian.eigenvalues), "eigenvalue")
        radius = f"largest {jacobian.spectral_radius:.4g}"
        said.append(f"{count} of the step Jacobian ({jacobian_place(jacobian)}), {radius}.")
    return " ".join(said)


def _circles(frame: Frame, spectrum: Spectrum) -> Iterator[Element]:
    """Where a random W_hh would have its eigenvalues, and the circle between decay and growth."""
    centre = {"cx": coordinate(frame.x(0)), "cy": coordinate(frame.y(0))}
    per_unit = frame.width / (frame.right - frame.left)
    if spectrum.state_map is not None:
        radius = coordinate(spectrum.blocks[0].gain * per_unit)
        yield element("circle", class_="disc", r=radius, **centre)
    yield element("circle", class_="unit", r=coordinate(per_unit), **centre)


def _dots(frame: Frame, values: ComplexArray) -> Element:
    """Lines without length, whose round ends are the dots."""
    return element("path", class_="own", d=_path(frame, values, "h0"))


def _crosses(frame: Frame, values: ComplexArray) -> Element:
    return element("path", class_="jacobian", d=_path(frame, values, "m-3.5,-3.5l7,7m0,-7l-7,7"))


def _path(frame: Frame, values: Sequence[complex] | ComplexArray, mark: str) -> str:
    return "".join(f"M{frame.at(value.real, value.imag)}{mark}" for value in values)
