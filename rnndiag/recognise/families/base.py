"""What a family of recurrences is: the tensors that must stand together, with letters for sizes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple, Protocol

from rnndiag.recognise.layers import CellKind

Tensors = Mapping[str, str]
"""Suffix to shapes: {"recurrent_kernel": "(H, 4H)", "kernel": "(I, 4H)"}.

Suffixes are compared without case and underscores; "/" is a dot, and a last ".weight" may be there
or not. " | " stands between alternatives, in a suffix as in a shape. A `*` at a shape's end is any
further dimensions.
"""

NONE: Tensors = {}

TRANSPOSED = "only a cell with matrices as PyTorch has them can be declared"
TWO_MATRICES = "to be declared, a cell needs two matrices"


def plain(name: str) -> str:
    """A tensor's name or a suffix as they are compared.

    >>> plain("encoder/W_hi.weight"), plain("lstm/recurrent_kernel:0")
    ('encoder.whi', 'lstm.recurrentkernel')
    """
    dotted = name.lower().replace("_", "").replace("/", ".")
    return dotted.removesuffix(":0").removesuffix(".weight")


@cache
def alternatives(suffix: str) -> list[str]:
    """The plain suffixes that one entry of a table stands for.

    >>> alternatives("A_log | log_A")
    ['alog', 'loga']
    """
    return [plain(part.strip()) for part in suffix.split("|")]


class Row(Protocol):
    """A line of the table: one family, or one rule by which cells name their tensors."""

    def anchors(self) -> list[str]:
        """The plain suffixes of tensors beside which it is worth looking for the others."""

    def families(self) -> tuple[Family, ...]:
        """All that it stands for, in the order in which they are tried."""


ELSEWHERE = re.compile(
    r"(?:att(?:n|ention|end)|align|messag|mpn|graph|g[cn]n(?![a-z])|pointer)(?!.*(?:rnn|lstm|gru))"
    r"|(?:^|\.)[a-z0-9]*(?:gate|gating)[0-9]*\.?$"
)
"""Modules whose matrices are named as a recurrence's and act across a set, a graph or a depth:
attention's scores, message passing, and gates between the layers of a transformer. Compared with
the prefix as suffixes are, in small letters without underscores."""


class Family(NamedTuple):
    """One way to store one kind of recurrence."""

    kind: str
    """As sentences say it: "a GRU with transposed matrices"."""

    tensors: Tensors
    """All must be there and fit; the first is the one that the others are looked for beside."""

    beside: Tensors = NONE
    """Those that belong to it where they are there and fit."""

    certain: bool = True
    """Whether these tensors prove a recurrence, or only make it likely."""

    why: str = ""
    """What a reader should know besides, for one: what the file does not tell."""

    within: re.Pattern[str] | None = None
    """What the module's name has to say, where the tensors' own names say little."""

    outside: re.Pattern[str] | None = None
    """What the module's name must not say."""

    whole: bool = False
    """Whether the first tensor's name has to be the whole of a part: `m` is not `time_m`."""

    smaller: tuple[str, str] | None = None
    """A letter that must be smaller than another: a rank than the number of units."""

    cell: CellKind | None = None
    """The cell whose W_hh the first tensor and whose W_ih the second would be, as PyTorch has them;
    None: `--as` cannot declare it."""

    def anchors(self) -> list[str]:
        """The first tensor's names."""
        return alternatives(next(iter(self.tensors)))

    def families(self) -> tuple[Family, ...]:
        """Itself."""
        return (self,)
