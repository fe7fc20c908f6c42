"""What comes first: the verdict of every layer in one sentence, and what a gate would say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rnndiag.analysis import FileResult, LayerResult
from rnndiag.readings.trace import read_trace
from rnndiag.readings.words import counted
from rnndiag.render.html.element import Child, Element, element
from rnndiag.render.html.parts import SHOWN, chip, prose
from rnndiag.render.table.trace import setting
from rnndiag.report import FileReport
from rnndiag.rules.base import SEVERITIES

ORDER = ("exploding", "growing", "mixed", "vanishing", "stable")
"""From what needs attention to what needs none."""

SPELLED_OUT = 4
"""Layers that get a sentence each; more of them are named under their common verdict."""


def worst(file: FileReport) -> str:
    """The verdict that stands for a file: that of the layer that needs most attention."""
    if file.result is None:
        return "no verdict"
    found = {item.trace.verdict for item in file.result.layers if item.trace is not None}
    return next((word for word in ORDER if word in found), "no verdict")


def show(file: FileReport, result: FileResult) -> Iterator[Child]:
    """Layers by verdict, what was traced, and the findings in one line."""
    traced = [item for item in result.layers if item.trace is not None]
    if len(traced) <= SPELLED_OUT:
        yield element("ul", [_layer(item) for item in traced], class_="verdicts")
    else:
        yield element("ul", [*_grouped(traced)], class_="verdicts")
    untraced = len(result.layers) - len(traced)
    if untraced:
        yield element("p", f"{counted(untraced, 'layer')} could not be traced; see “Not checked”.")
    traced_steps = f"Traced: the {setting(result)}. " if traced else ""
    yield element("p", f"{traced_steps}{_gate(file)}", class_="quiet")


def _layer(item: LayerResult) -> Element | None:
    if item.trace is None:
        return None
    first, *others = read_trace(item.trace)
    under = next((one for one in others if one.startswith("Under ")), "")
    name = element("code", item.layer.label)
    return element(
        "li", chip(item.trace.verdict), " ", name, element("p", *prose(first), " ", under)
    )


def _grouped(traced: Sequence[LayerResult]) -> Iterator[Element]:
    """One entry a sentence, with the layers that it is true of."""
    layers: dict[tuple[str, str], list[str]] = {}
    for item in traced:
        if item.trace is not None:
            key = (item.trace.verdict, read_trace(item.trace)[0])
            layers.setdefault(key, []).append(item.layer.label)
    for word, sentence in sorted(layers, key=lambda key: ORDER.index(key[0])):
        names = layers[word, sentence]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        named = f" {counted(len(names), 'layer')}: {', '.join(names[:SHOWN])}{more}"
        yield element("li", chip(word), named, element("p", sentence))


def _gate(file: FileReport) -> str:
    """What was found, and whether that stops a build."""
    counts = [
        counted(number, severity)
        for severity in reversed(SEVERITIES)
        if (number := sum(finding.severity == severity for finding in file.findings))
    ]
    errors = any(finding.severity == "error" for finding in file.findings)
    gate = "would fail" if errors else "would pass"
    return f"Findings: {', '.join(counts) or 'none'}. A build gated with rnndiag check {gate}."
