"""The frame of a picture: where numbers lie in it, its ticks and its labels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rnndiag.render.html.element import Child, Element, element

LEFT, TOP, RIGHT, BOTTOM = 68, 28, 22, 44
"""Room around the plot for ticks and labels, which are larger on a narrow screen."""


@dataclass(frozen=True)
class Frame:
    """The rectangle in which curves and points are drawn; its coordinates begin at its corner."""

    width: float
    height: float
    left: float
    """The number at the left edge."""

    right: float
    bottom: float
    top: float

    def x(self, value: float) -> float:
        """Where a number lies from left to right."""
        return (value - self.left) / (self.right - self.left) * self.width

    def y(self, value: float) -> float:
        """Where a number lies from the top down."""
        return (self.top - value) / (self.top - self.bottom) * self.height

    def at(self, x: float, y: float) -> str:
        """A point, as a path has it."""
        return f"{coordinate(self.x(x))},{coordinate(self.y(y))}"


@dataclass(frozen=True)
class Labels:
    """What is written on and around a picture."""

    title: str
    """Its name, for whoever cannot see it."""

    description: str
    x: str
    y: str


def coordinate(value: float) -> str:
    """A tenth of a pixel is enough.

    >>> coordinate(12.04), coordinate(3.25)
    ('12', '3.2')
    """
    return f"{value:.1f}".removesuffix(".0")


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from low to high, 1, 2 or 5 times a power of ten apart.

    >>> ticks(0, 200, 6), ticks(-1.2, 1.2, 6)
    ([0.0, 50.0, 100.0, 150.0, 200.0], [-1.0, -0.5, 0.0, 0.5, 1.0])
    """
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(s * power for s in (1, 2, 5, 10, 20) if (high - low) / (s * power) <= most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{n * step:.12g}") for n in range(first, last + 1)]


def picture(
    frame: Frame,
    labels: Labels,
    x_ticks: Sequence[tuple[float, str]],
    y_ticks: Sequence[tuple[float, str]],
    drawn: Sequence[Child],
    **data: str | int,
) -> Element:
    """A whole picture: grid, ticks, labels, and what is drawn, cut at the frame."""
    width, height = frame.width + LEFT + RIGHT, frame.height + TOP + BOTTOM
    plot = element(
        "svg",
        drawn,
        class_="plot",
        x=LEFT,
        y=TOP,
        width=coordinate(frame.width),
        height=coordinate(frame.height),
    )
    return element(
        "svg",
        element("title", labels.title),
        element("desc", labels.description),
        element("g", _grid(frame, x_ticks, y_ticks), class_="axes"),
        element("g", _names(frame, labels, width, height), class_="names"),
        plot,
        viewBox=f"0 0 {coordinate(width)} {coordinate(height)}",
        role="img",
        aria_label=f"{labels.title}. {labels.description}",
        data_frame=f"{LEFT} {TOP} {coordinate(frame.width)} {coordinate(frame.height)}",
        data_range=f"{frame.left:.12g} {frame.right:.12g} {frame.bottom:.12g} {frame.top:.12g}",
        **data,
    )


def _grid(
    frame: Frame, x_ticks: Sequence[tuple[float, str]], y_ticks: Sequence[tuple[float, str]]
) -> Iterator[Element]:
    bottom, right = frame.height + TOP, frame.width + LEFT
    for value, label in x_ticks:
        x = coordinate(frame.x(value) + LEFT)
        yield element("path", d=f"M{x} {TOP}V{coordinate(bottom)}")
        yield element("text", label, x=x, y=coordinate(bottom + 18), text_anchor="middle")
    for value, label in y_ticks:
        y = frame.y(value) + TOP
        yield element("path", d=f"M{LEFT} {coordinate(y)}H{coordinate(right)}")
        yield element("text", label, x=LEFT - 6, y=coordinate(y + 4.5), text_anchor="end")


def _names(frame: Frame, labels: Labels, width: float, height: float) -> Iterator[Element]:
    middle = LEFT + frame.width / 2
    yield element(
        "text", labels.x, x=coordinate(middle), y=coordinate(height - 6), text_anchor="middle"
    )
    # Above the axis, not along it: nobody has to turn their head, and it fits a telephone.
    yield element("text", labels.y, x=2, y=TOP - 12)
