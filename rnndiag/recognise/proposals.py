"""Whether an unnamed cell can be declared with --as without measuring something else, and how."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from rnndiag.containers.checkpoint import StoredTensor, Value
from rnndiag.recognise.declare import as_line
from rnndiag.recognise.layers import CellKind
from rnndiag.recognise.listing import listed
from rnndiag.recognise.names import join, parent
from rnndiag.recognise.neighbours import Neighbourhood, says_input, words
from rnndiag.recognise.shapes import Shape
from rnndiag.recognise.slots import is_bias

DECLARABLE = "declare it with"
"""Stands in a reason before the line to type, where there is one."""

ALTERING = frozenset(
    {
        *("alpha", "alphas", "tau", "taus", "leak", "leaky", "decay", "dt", "tc", "constant"),
        *("mask", "masks", "connectivity", "dale", "sparsity", "scale", "scales", "gain"),
    }
)
"""Words in the names of a leak, its time constants, of masks, signs and scales: with any of them
the step is not that of PyTorch's cell."""

NORMS = frozenset({"norm", "layernorm", "batchnorm", "ln", "bn", "gamma", "beta"})
"""Words in the names of a normalisation's vectors."""

LEAK_SETTINGS = frozenset({"leak", "leak_rate", "leaking_rate", "alpha", "tau", "dt"})
"""Plain numbers that a pickled module keeps."""

BIAS = re.compile(r"(?:.*_)?b(?:ias)?_?(?:hh|h|hn|rec|ih|xh|x|in|i|hidden|input)?(?:\.bias)?[0-9]*")
"""Vectors named as a bias for the whole module: `b`, `b_rec`, `bias_hh`."""

CONDITION: Mapping[CellKind, str] = {
    "rnn": "if it is a plain RNN",
    "gru": "if it is one with its gates in PyTorch's order (r, z, n)",
    "lstm": "if it is one with its gates in PyTorch's order (i, f, g, o)",
}
"""What neither names nor shapes tell."""


def alters(said: Sequence[str], shape: Shape, hidden: Shape, inputs: Shape) -> bool:
    """Whether a tensor takes part in a cell's step: by its words, and by a size that is the cell's.

    One number, one a unit or a row, or one an entry of either matrix: a mask of another size is
    somebody else's.
    """
    rows, units = hidden
    vectors = {(units,), (rows,)}
    if not NORMS.isdisjoint(said):
        return shape in vectors
    if ALTERING.isdisjoint(said):
        return False
    own = vectors | {(), (1,), (1, 1), (1, units), (units, 1), (1, rows), (rows, 1), (units, units)}
    return shape in own | {hidden, hidden[::-1], inputs, inputs[::-1]}


class Proposals:
    """What stands beside a cell's two matrices decides whether a declaration is proposed."""

    def __init__(
        self,
        tensors: Mapping[str, StoredTensor],
        values: Mapping[str, Value],
        near: Neighbourhood,
    ) -> None:
        self._tensors = tensors
        self._values = values
        self._near = near

    @cached_property
    def _below(self) -> Mapping[str, list[str]]:
        """What stands in a module and in the modules in it. Few files need it."""
        below: dict[str, list[str]] = {}
        for name in self._tensors:
            for module in {parent(name), parent(parent(name))}:
                below.setdefault(module, []).append(name)
        return below

    def of(self, hidden: str, inputs: str, cell: CellKind) -> str:
        """The line that declares a cell, with its biases, or what keeps from proposing one."""
        scope = common(hidden, inputs)
        altering = [*self._altering(scope, hidden, inputs), *self._settings(scope)]
        if altering:
            return (
                "declared as PyTorch's it would be another cell: "
                f"{listed(altering)} beside it may take part in its step"
            )
        if not self._is_told_apart(hidden, inputs):
            return "two matrices of one shape do not show which is the input's or which way it acts"
        biases, left_out = self._biases(scope, hidden, inputs)
        choice = "rnn:tanh" if cell == "rnn" else cell
        line = as_line(f"{hidden}={choice},input={inputs}" + "".join(f",bias={b}" for b in biases))
        without = f" ({listed(left_out)} left out)" if left_out else ""
        return f"{CONDITION[cell]}{without}, {DECLARABLE} {line}"

    def _altering(self, scope: str, hidden: str, inputs: str) -> Iterator[str]:
        """Tensors of the same module that a plain cell does not have."""
        shapes = self._tensors[hidden].shape, self._tensors[inputs].shape
        for name in self._below.get(scope, ()):
            if alters(words(name[len(scope) :]), self._tensors[name].shape, *shapes):
                yield name

    def _settings(self, scope: str) -> Iterator[str]:
        """Numbers of the same module, as a pickled one keeps them."""
        for setting in sorted(LEAK_SETTINGS):
            name = join(scope, setting)
            value = self._values.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                yield f"{name} = {value:g}"

    def _is_told_apart(self, hidden: str, inputs: str) -> bool:
        """Whether the shapes differ, or a linear layer's names say what they cannot."""
        shape = self._tensors[hidden].shape
        if shape != self._tensors[inputs].shape:
            return True
        return says_input(inputs) and (hidden.endswith("weight") or shape[0] != shape[1])

    def _biases(self, scope: str, hidden: str, inputs: str) -> tuple[list[str], list[str]]:
        """Those beside the two matrices and those of the whole module, and what is left out.

        A cell has two; which of three they are cannot be told, nor what a column's are.
        """
        rows = self._tensors[hidden].shape[0]
        number = _number(hidden)
        own = [self._near.bias_of(inputs), self._near.bias_of(hidden)]
        shared = [
            name
            for name in self._below.get(scope, ())
            if parent(name) == scope
            and BIAS.fullmatch(name[len(scope) :].lstrip(".").lower())
            and _number(name) == number
        ]
        named = [name for name in dict.fromkeys((*own, *shared)) if name is not None]
        usable = [name for name in named if is_bias(self._tensors[name], rows)]
        others = [name for name in named if name not in usable]
        return (usable, others) if len(usable) <= 2 else ([], [*usable, *others])


def _number(name: str) -> str:
    """The digits at a name's end, which tell the layers of one module apart."""
    bare = name.removesuffix(".weight")
    return bare[len(bare.rstrip("0123456789")) :]


def common(hidden: str, inputs: str) -> str:
    """The innermost module that holds both.

    >>> common("rnn.h2h.weight", "rnn.i2h.weight")
    'rnn'
    """
    scope = parent(hidden)
    while scope and not inputs.startswith(f"{scope}."):
        scope = parent(scope)
    return scope
