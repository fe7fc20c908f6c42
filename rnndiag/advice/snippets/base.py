"""What code to paste is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rnndiag.advice.clipping import ClippingAdvice
from rnndiag.advice.truncation import TruncationAdvice

DETACH = "state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()"
"""Cut the graph at an LSTM's pair of states, or at the one state of the others."""


@dataclass(frozen=True)
class Framework:
    """A library that people train with."""

    name: str
    """What --for calls it."""

    title: str

    snippet: Callable[[ClippingAdvice, TruncationAdvice], str]
    """Code with the advised values. Nothing that a file contains stands in it but numbers."""


def indented(lines: list[str], width: int = 4) -> list[str]:
    """The same lines moved in, empty ones left alone."""
    return [" " * width + line if line else line for line in lines]
