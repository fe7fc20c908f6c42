"""Tensors beside a recurrent matrix: the input matrix and the biases that go with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from itertools import islice

from rnndiag.containers.checkpoint import StoredTensor
from rnndiag.recognise.names import join, parent

HIDDEN_TO_INPUT = (
    ("h2h", "i2h"),
    ("hh", "ih"),
    ("hidden2hidden", "input2hidden"),
    ("hidden_to_hidden", "input_to_hidden"),
    ("state_linearity", "input_linearity"),
    ("recurrent_kernel", "kernel"),
    ("recurrent", "input"),
    ("w_rec", "w_in"),
)
"""How names of recurrent matrices turn into those of the input matrix beside them."""

INPUTS = frozenset(
    {
        *("input", "inputs", "inp", "in", "x", "i2h", "x2h", "in2h", "input2h", "ih", "xh", "wih"),
        *("wxh", "wx", "wax", "win", "wi", "kernel", "input2hidden", "weightih"),
    }
)
"""Words that say of a matrix that it is fed the input."""

READOUTS = frozenset(
    {
        *("out", "wo", "wout", "output", "outputs", "readout", "h2o", "ho", "hy", "why", "fc"),
        *("head", "decoder", "logits", "classifier"),
    }
)
"""Words that say of a matrix that it reads the state."""

SAID = 0
"""In place of a width, in a pool: those whose names say that they are fed the input."""

Pool = dict[int, list[str]]
"""Matrices of as many rows, by their columns."""

MOST = 8
"""Candidates looked for: with two a choice is ambiguous, more are for the message only."""


def words(name: str) -> list[str]:
    """The words of a dotted name, in small letters.

    >>> words("rnn.W_tau.weight")
    ['rnn', 'w', 'tau', 'weight']
    """
    return re.split(r"[._]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())


class Neighbourhood:
    """The usable matrices of a model by their rows, in a module and in the module around that."""

    def __init__(self, tensors: Mapping[str, StoredTensor], taken: Collection[str]) -> None:
        self._tensors = tensors
        self._taken = taken

    @cached_property
    def _inside(self) -> Mapping[tuple[str, int], Pool]:
        """By module and rows. Most files never ask."""
        return self._pools(parent)

    @cached_property
    def _around(self) -> Mapping[tuple[str, int], Pool]:
        """By the module around that and rows."""
        return self._pools(lambda name: parent(parent(name)))

    def _pools(self, module: Callable[[str], str]) -> dict[tuple[str, int], Pool]:
        pools: dict[tuple[str, int], Pool] = {}
        for name, tensor in self._tensors.items():
            if self._is_usable(name):
                rows, columns = tensor.shape
                pool = pools.setdefault((module(name), rows), {SAID: []})
                pool.setdefault(SAID if says_input(name) else columns, []).append(name)
        return pools

    def _is_usable(self, name: str) -> bool:
        """Whether it is a matrix that nothing else has, neither attention's nor a readout's."""
        tensor = self._tensors.get(name)
        return (
            tensor is not None
            and len(tensor.shape) == 2
            and tensor.is_floating
            and name not in self._taken
            and not _is_elsewhere(name)
        )

    def input_matrices(self, name: str) -> list[str]:
        """Every matrix that could feed the one named: the likeliest alone, or the first few.

        First the name that PyTorch users give it, then its own module, then the modules in it and
        beside it.
        """
        rows, columns = self._tensors[name].shape
        module = parent(name)
        named = self._by_name(name, rows)
        if named:
            return named
        for pool in (
            self._inside.get((module, rows), {}),
            self._around.get((module, rows), {}),
            self._around.get((parent(module), rows), {}),
        ):
            # One of W_hh's own shape may be another gate's, unless its name says what it is.
            lists = (names for width, names in pool.items() if width != columns)
            others = (other for names in lists for other in names if other != name)
            fitting = list(islice(others, MOST))
            if fitting:
                return fitting
        return []

    def named_input(self, name: str) -> str | None:
        """The one matrix that its own name makes the input of the one named, None for several."""
        said = [other for other in self.input_matrices(name) if says_input(other)]
        return said[0] if len(said) == 1 else None

    def _by_name(self, name: str, rows: int) -> list[str]:
        """The input matrix by its name, where there is one."""
        for hidden, inputs in HIDDEN_TO_INPUT:
            other = re.sub(rf"(^|[._]){hidden}(?=$|[._])", rf"\g<1>{inputs}", name)
            if other != name and self._is_usable(other) and self._tensors[other].shape[0] == rows:
                return [other]
        return []

    def bias_of(self, name: str) -> str | None:
        """The bias that stands beside a matrix: `h2h.bias` for `h2h.weight`."""
        local = name.rpartition(".")[2]
        other = join(parent(name), local.replace("weight", "bias"))
        return other if "weight" in local and other in self._tensors else None


def _own_words(name: str) -> list[str]:
    """The words of the part that names a matrix: `x2h` of `decoder.x2h.weight`."""
    return words(name.removesuffix(".weight").rpartition(".")[2])


def _is_elsewhere(name: str) -> bool:
    """Whether a name is an attention layer's, which shares shapes with gates, or a readout's."""
    return "in_proj" in name or "attn" in name or not READOUTS.isdisjoint(_own_words(name))


def says_input(name: str) -> bool:
    """Whether a matrix's own name says that the input is what it is fed."""
    return not INPUTS.isdisjoint(_own_words(name))
