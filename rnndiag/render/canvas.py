"""A small picture made of characters: dots on a grid, in braille where Unicode is shown."""

from __future__ import annotations

BRAILLE = 0x2800
DOT_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bit of the braille pattern by dot row and column (Unicode chapter 21.1)."""


class Canvas:
    """Character cells of 2 × 4 braille dots, or of one ASCII dot each where Unicode is not shown.

    Coordinates run from 0 to 1, x to the right and y upwards. A marker takes a whole character and
    lies above the dots.
    """

    def __init__(self, columns: int, rows: int, unicode: bool) -> None:
        self.columns, self.rows = columns, rows
        self.unicode = unicode
        self._dots: dict[tuple[int, int], int] = {}
        self._markers: dict[tuple[int, int], str] = {}

    def dot(self, x: float, y: float) -> None:
        """Set the dot nearest to (x, y); outside the picture nothing is drawn."""
        across, down = (2, 4) if self.unicode else (1, 1)
        column, row = self._place(x, y, self.columns * across, self.rows * down)
        if 0 <= column < self.columns * across and 0 <= row < self.rows * down:
            cell = (column // across, row // down)
            bit = DOT_BITS[row % down][column % across]
            self._dots[cell] = self._dots.get(cell, 0) | bit

    def line(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Dots along a straight line, two for each that it passes."""
        across, up = abs(end[0] - start[0]), abs(end[1] - start[1])
        steps = 1 + int(4 * max(across * self.columns, 2 * up * self.rows))
        for step in range(steps + 1):
            part = step / steps
            self.dot(start[0] + part * (end[0] - start[0]), start[1] + part * (end[1] - start[1]))

    def marker(self, x: float, y: float, character: str) -> None:
        """Put a character at (x, y)."""
        column, row = self._place(x, y, self.columns, self.rows)
        if 0 <= column < self.columns and 0 <= row < self.rows:
            self._markers[column, row] = character

    def lines(self) -> list[str]:
        """The rows from top to bottom, without trailing blanks."""
        return [
            "".join(self._character(column, row) for column in range(self.columns)).rstrip()
            for row in range(self.rows)
        ]

    @staticmethod
    def _place(x: float, y: float, width: int, height: int) -> tuple[int, int]:
        return round(x * (width - 1)), round((1.0 - y) * (height - 1))

    def _character(self, column: int, row: int) -> str:
        if (column, row) in self._markers:
            return self._markers[column, row]
        bits = self._dots.get((column, row), 0)
        if not bits:
            return " "
        return chr(BRAILLE + bits) if self.unicode else "."
