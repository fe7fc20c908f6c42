"""Tensors inside a recurrent module that none of PyTorch's has: then its step is not PyTorch's."""

from __future__ import annotations

import re

from rnndiag.recognise.declare import as_line
from rnndiag.recognise.lookalikes import DECLARABLE, SPOKEN
from rnndiag.recognise.names import parent
from rnndiag.recognise.slots import Named, Slots, Stack, cell_of

GATE_PARAMETER = re.compile(r"(?:weight|bias|w_|gamma|beta|gain|norm|ln|peep).*", re.DOTALL)
"""Names of further parameters of a cell: one bias for both matrices, peepholes, a norm's scale. A
learned initial state, `h0`, is none."""


def stranger(stack: Stack) -> str | None:
    """Why a sound stack is no module of PyTorch's: the first tensor that takes part in its step.

    Layer-normalised and peephole LSTMs have PyTorch's names and shapes, and other gradients.
    """
    (layer, _), slots = stack.ordered()[0]
    rows, columns = slots["weight_hh"].tensor.shape
    # Around a whole stack of layers, a norm of single units may be that of its output.
    vectors = {(rows,), (columns,)} if layer is None else {(rows,)}
    for other in stack.others:
        if parent(other.key) == stack.module:
            takes_part = GATE_PARAMETER.fullmatch(other.key.rpartition(".")[2]) is not None
        else:
            # A norm inside scales each unit, or each row of the gates.
            takes_part = other.key.endswith(".weight") and other.tensor.shape in vectors
        if takes_part:
            return _reason(other, slots)
    return None


def _reason(other: Named, slots: Slots) -> str:
    cell = cell_of(slots)
    if cell is None:
        raise ValueError(f"{slots['weight_hh']} has not been checked")
    line = as_line(f"{slots['weight_hh'].key}={cell},input={slots['weight_ih'].key}")
    return (
        f"named as {SPOKEN[cell]}, but {other} in the same module is no part of PyTorch's: a "
        f"normalised, peephole or other cell of its own; {DECLARABLE} {line}"
    )
