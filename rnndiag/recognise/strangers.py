"""Tensors inside a recurrent module that none of PyTorch's has: then its step is not PyTorch's."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rnndiag.recognise.declare import as_line
from rnndiag.recognise.lookalikes import SPOKEN
from rnndiag.recognise.names import parent
from rnndiag.recognise.neighbours import words
from rnndiag.recognise.proposals import DECLARABLE, alters
from rnndiag.recognise.slots import Named, Slots, Stack, cell_of, is_bias

GATE_PARAMETER = re.compile(r"(?:weight|bias|w_|gamma|beta|gain|norm|ln|peep).*", re.DOTALL)
"""Names of further parameters of a cell: one bias for both matrices, peepholes, a norm's scale. A
learned initial state, `h0`, is none."""

NAMED_AS = "named as"
BUT = ", but "
"""Between what such a cell's reason says of its kind and what it says of the one."""


def stranger(stack: Stack) -> str | None:
    """Why a sound stack is no module of PyTorch's: the first tensor that takes part in its step.

    Layer-normalised and peephole LSTMs have PyTorch's names and shapes, and other gradients.
    """
    (layer, _), slots = stack.ordered()[0]
    taking_part = [other for other in stack.others if _takes_part(other, stack, slots, layer)]
    return _reason(taking_part, slots) if taking_part else None


def _takes_part(other: Named, stack: Stack, slots: Slots, layer: int | None) -> bool:
    """Whether a tensor belongs to the step: by its name here, by its shape in a module below."""
    hidden, inputs = slots["weight_hh"].tensor.shape, slots["weight_ih"].tensor.shape
    local = other.key.rpartition(".")[2]
    if parent(other.key) == stack.module:
        own = GATE_PARAMETER.fullmatch(local) is not None
        return own or alters(words(local), other.tensor.shape, hidden, inputs)
    # A norm inside scales each unit, or each row of the gates. Around a whole stack of layers, one
    # of single units may be that of its output.
    rows, columns = hidden
    vectors = {(rows,), (columns,)} if layer is None else {(rows,)}
    return other.key.endswith(".weight") and other.tensor.shape in vectors


def _reason(others: Sequence[Named], slots: Slots) -> str:
    """What the first of them makes of the cell; one bias for both matrices can be declared."""
    cell = cell_of(slots)
    if cell is None:
        raise ValueError(f"{slots['weight_hh']} has not been checked")
    first = others[0]
    said = f"{NAMED_AS} {SPOKEN[cell]}{BUT}{first} in the same module is no part of PyTorch's"
    hidden = slots["weight_hh"]
    only_bias = len(others) == 1 and first.key.endswith("bias") and "bias_hh" not in slots
    if only_bias and is_bias(first.tensor, hidden.tensor.shape[0]):
        line = as_line(f"{hidden.key}={cell},input={slots['weight_ih'].key},bias={first.key}")
        return f"{said}: one bias for both matrices; {DECLARABLE} {line}"
    return f"{said}: a normalised, peephole, leaky or other cell of its own"


def kind_of(reason: str) -> str:
    """What several such cells have in common, "named as a GRU"; nothing for another reason."""
    return reason.partition(BUT)[0] if reason.startswith(NAMED_AS) else ""
