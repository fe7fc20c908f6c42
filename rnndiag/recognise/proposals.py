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

BIAS = re.compile(
    r"(?P<before>(?:.*_)?)b(?:ias)?_?(?:hh|h|hn|rec|ih|xh|x|in|i|hidden|input)?(?:\.bias)?[0-9]*"
)
"""Vectors named as a bias for the whole module: `b`, `b_rec`, `bias_hh`."""

CONDITION: Mapping[CellKind, str] = {
    "rnn": "if it is a plain RNN",
    "gru": "if it is one with its gates in PyTorch's order (r, z, n)",
    "lstm": "if it is one with its gates in PyTorch's order (i, f, g, o)",
}
"""What neither names nor shapes tell."""


MOST = 8
"""Tensors of one module that are looked at for a message: it shows fewer."""


def sizes_of_step(hidden: Shape, inputs: Shape, norm: bool) -> set[Shape]:
    """The shapes that a tensor which takes part in a cell's step may have.

    One number, one a unit or a row, or one an entry of either matrix: a mask of another size is
    somebody else's. A norm has one a unit or a row.
    """
    rows, units = hidden
    vectors: set[Shape] = {(units,), (rows,)}
    if norm:
        return vectors
    one: set[Shape] = {(), (1,), (1, 1), (1, units), (units, 1), (1, rows), (rows, 1)}
    return vectors | one | {(units, units), hidden, hidden[::-1], inputs, inputs[::-1]}


def alters(said: Sequence[str], shape: Shape, hidden: Shape, inputs: Shape) -> bool:
    """Whether a tensor takes part in a cell's step, by its words and by its size."""
    norm = not NORMS.isdisjoint(said)
    if not norm and ALTERING.isdisjoint(said):
        return False
    return shape in sizes_of_step(hidden, inputs, norm)


class _Module:
    """What of a module and of the modules in it may matter to a cell, so that many can ask."""

    def __init__(self, scope: str, names: Sequence[str], shapes: Mapping[str, Shape]) -> None:
        self.altering: dict[tuple[bool, Shape], list[str]] = {}
        self.biases: dict[tuple[str, str], list[str]] = {}
        for name in names:
            local = name[len(scope) :].lstrip(".")
            said = words(local)
            norm = not NORMS.isdisjoint(said)
            if norm or not ALTERING.isdisjoint(said):
                self.altering.setdefault((norm, shapes[name]), []).append(name)
            bias = BIAS.fullmatch(local.lower()) if parent(name) == scope else None
            if bias is not None:
                key = (bias["before"], _number(name))
                self.biases.setdefault(key, []).append(name)


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
        self._modules: dict[str, _Module] = {}

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

    def _module(self, scope: str) -> _Module:
        if scope not in self._modules:
            names = self._below.get(scope, [])
            shapes = {name: self._tensors[name].shape for name in names}
            self._modules[scope] = _Module(scope, names, shapes)
        return self._modules[scope]

    def _altering(self, scope: str, hidden: str, inputs: str) -> Iterator[str]:
        """Tensors of the same module that a plain cell does not have."""
        altering = self._module(scope).altering
        for norm in (False, True):
            sizes = sizes_of_step(self._tensors[hidden].shape, self._tensors[inputs].shape, norm)
            for shape in sorted(sizes):
                yield from altering.get((norm, shape), ())[:MOST]

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
        own = [self._near.bias_of(inputs), self._near.bias_of(hidden)]
        local = hidden[len(scope) :].lstrip(".").lower()
        starts = ["", *(local[: at + 1] for at, letter in enumerate(local) if letter == "_")]
        biases = self._module(scope).biases
        shared = [
            name for start in starts for name in biases.get((start, _number(hidden)), ())[:MOST]
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
