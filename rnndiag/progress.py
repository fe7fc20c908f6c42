"""How long measurements say how far they are, without knowing who listens."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Whoever shows it."""

    def expect(self, steps: int) -> None:
        """So many steps more are to come."""

    def advance(self, steps: int) -> None:
        """So many have been done."""


class Silent:
    """Nobody is listening."""

    def expect(self, steps: int) -> None:
        """Ignored."""

    def advance(self, steps: int) -> None:
        """Ignored."""
