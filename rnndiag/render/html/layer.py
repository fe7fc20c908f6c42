"""One layer: spectrum and gradient through time, as pictures, sentences and tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from rnndiag.analysis import LayerResult
from rnndiag.measure.spectrum import Spectrum
from rnndiag.measure.trace import LayerTrace
from rnndiag.readings.spectrum import read_spectrum
from rnndiag.readings.trace import read_trace
from rnndiag.render.html.curves import curves
from rnndiag.render.html.element import Child, Element, element
from rnndiag.render.html.parts import bullets, chip, folded, sample
from rnndiag.render.html.plane import plane
from rnndiag.render.html.sampling import Sampling
from rnndiag.render.html.spectrum_tables import spectrum_tables
from rnndiag.render.html.trace_tables import drives_table, lags_table
from rnndiag.render.shared.layers import cell_name, sizes
from rnndiag.rules import Limits


def show(item: LayerResult, sampling: Sampling, file: int, place: int, limits: Limits) -> Element:
    """A part of the page that the layer switch shows or hides."""
    verdict = None if item.trace is None else chip(item.trace.verdict)
    heading = element(
        "h4",
        element("code", item.layer.label),
        f" {cell_name(item.layer)} {sizes(item.layer)} ",
        verdict,
    )
    spectrum = item.spectrum
    figures = [
        None
        if spectrum is None
        else _spectrum(
            plane(spectrum, sampling.points, file, place),
            _plane_legend(spectrum, sampling.points),
            read_spectrum(item.layer, spectrum, limits),
        ),
        None if item.trace is None else _trace(item, item.trace, sampling, file, place),
    ]
    missing = element("p", f"Not measured: {item.not_measured}") if item.not_measured else None
    return element(
        "section",
        heading,
        missing,
        element("div", figures, class_="figures"),
        _numbers(item),
        class_="layer",
        id=f"file-{file}-layer-{place}",
    )


def _numbers(item: LayerResult) -> Iterator[Child]:
    """The same in tables, of which the longer ones open when they are asked for."""
    if item.trace is not None:
        yield drives_table(item.trace)
        yield folded("Gradient by lag in numbers", lags_table(item.trace))
    if item.spectrum is not None:
        yield folded("Spectrum in numbers", *spectrum_tables(item.spectrum))


def _spectrum(drawn: Element | None, legend: Iterable[Child], readings: Iterable[str]) -> Element:
    picture = None
    if drawn is not None:
        caption = element("figcaption", HOW_TO_READ_PLANE)
        picture = element(
            "figure",
            caption,
            drawn,
            _readout("Point at a mark, or use the arrow keys."),
            element("ul", [*legend], class_="legend"),
        )
    return element(
        "div",
        element("h5", "Spectrum"),
        picture,
        bullets(readings),
        class_="spectrum",
    )


HOW_TO_READ_PLANE = (
    "Each mark is an eigenvalue: by its distance from 0 one direction of the state is scaled in a "
    "step, by its angle it is turned. Inside the circle changes shrink, outside they grow."
)


def _plane_legend(spectrum: Spectrum, points: int) -> Iterator[Element]:
    own, jacobian = spectrum.blocks[0].eigenvalues, spectrum.settling.jacobian.eigenvalues
    if own is not None:
        yield _key("own", f"W_hh{_cut(len(own), points)}")
    if jacobian.size:
        yield _key("jacobian", f"step Jacobian{_cut(len(jacobian), points)}")
    yield _key("unit", "unit circle")
    if spectrum.state_map is not None:
        yield _key("disc", "where those of a random W_hh lie (circular law)")


def _cut(count: int, points: int) -> str:
    return f" (the {points} largest of {count})" if count > points else ""


def _key(name: str, words: str) -> Element:
    return element("li", sample(name), f" {words}")


def _readout(hint: str) -> Element:
    """Where the script writes the values under the pointer; without it there is nothing to say."""
    return element("p", hint, class_="readout", aria_live="polite", hidden=True)


def _trace(
    item: LayerResult, trace: LayerTrace, sampling: Sampling, file: int, place: int
) -> Element:
    figure = element(
        "figure",
        element("figcaption", HOW_TO_READ_CURVES),
        _drive_switch(trace, file, place),
        curves(trace, sampling.lags(item), file, place),
        _readout("Point at the picture, or use the arrow keys."),
        element("ul", [*_curve_legend(trace)], class_="legend"),
    )
    return element(
        "div",
        element("h5", "Gradient through time"),
        figure,
        bullets(read_trace(trace)),
        class_="trace",
    )


HOW_TO_READ_CURVES = (
    "How much of a loss's gradient is left so many steps back, on a logarithmic scale. A falling "
    "line vanishes, a rising one explodes."
)


def _drive_switch(trace: LayerTrace, file: int, place: int) -> Element:
    """A choice of the input whose details are drawn; also the key to the lines."""
    choices = [
        element(
            "label",
            element(
                "input",
                type="radio",
                name=f"drive-{file}-{place}",
                value=number,
                checked=drive is trace.headline,
            ),
            element("span", sample("hidden-state"), class_=f"drive colour-{number} chosen"),
            f"{drive.drive}{'' if drive.deciding else ' *'}",
        )
        for number, drive in enumerate(trace.drives)
    ]
    legend = element("legend", "Input (the chosen one in detail)")
    return element("fieldset", legend, choices, class_="drives")


def _curve_legend(trace: LayerTrace) -> Iterator[Element]:
    shown = trace.headline
    yield _key("hidden-state", "gradient of the hidden state h, a line an input")
    if shown.log10_cell_gradient_norm is not None:
        yield _key("cell", "gradient of the cell state c")
    yield _key("band", "nine of ten samples")
    if trace.textbook_log10 is not None:
        yield _key("textbook", "textbook product of W_hh alone, without the activation")
    decays = [drive.decay for drive in trace.drives]
    if any((lag or 0) > 0 for decay in decays for lag in decay.horizons):
        yield _key("horizon", "the last lag with a tenth, hundredth, thousandth left")
    if any((decay.half_life or math.inf) <= trace.seq_len for decay in decays):
        yield _key("half-life", "half-life")
