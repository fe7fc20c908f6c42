"""What reading one file may cost: time and memory, counted in the cheapest opcode of a pickle."""

from __future__ import annotations

from dataclasses import dataclass

from rnndiag.containers.failures import refused
from rnndiag.errors import RnndiagError

MAX_WORK = 7_000_000
"""What one file's pickles and the walk through their contents may cost together. The unit is the
cheapest opcode, None; anything else counts for as many as it takes the time or the memory of. This
much takes some two to three seconds and 200 MB, so that a busy machine still ends within five. A
vocabulary of 250,000 words, kept both ways round, costs half of it, and one of a million is too
much: faster reading is what it would take to raise this."""

OPERATIONS = "its pickle has more operations than are read"
ENTRIES = "its contents unfold into more entries than are read"


@dataclass(slots=True)
class Budget:
    """The work that is left. All who read parts of one file share a single one."""

    left: int = MAX_WORK

    def spend(self, work: int, too_much: str = OPERATIONS) -> None:
        """Charge some work; raises RD004, saying what was too much, when all is used up."""
        self.left -= work
        if self.left < 0:
            raise used_up(too_much)


def used_up(too_much: str = OPERATIONS) -> RnndiagError:
    """RD004 for a file that takes more work than there is."""
    return refused(
        too_much, "if it is yours, save it without its vocabulary; if not, do not load it"
    )
