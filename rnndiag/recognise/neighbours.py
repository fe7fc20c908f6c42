"""Tensors beside a recurrent matrix: the input matrix and the biases that go with it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
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


MOST = 8
"""Candidates looked for: with two a choice is ambiguous, more are for the message only."""


class Neighbourhood:
    """The usable matrices of a model by their rows, in a module and in the module around that."""

    def __init__(self, tensors: Mapping[str, StoredTensor], taken: Collection[str]) -> None:
        self._tensors = tensors
        self._usable: set[str] = set()
        self._inside: dict[tuple[str, int], list[str]] = {}
        self._around: dict[tuple[str, int], list[str]] = {}
        for name, tensor in tensors.items():
            matrix = len(tensor.shape) == 2 and tensor.is_floating
            if matrix and name not in taken and not _is_attention(name):
                rows = tensor.shape[0]
                self._usable.add(name)
                self._inside.setdefault((parent(name), rows), []).append(name)
                self._around.setdefault((parent(parent(name)), rows), []).append(name)

    def input_matrices(self, name: str) -> list[str]:
        """Every matrix that could feed the one named: the likeliest alone, or the first few.

        First the name that PyTorch users give it, then its own module, then the modules in it and
        beside it.
        """
        rows = self._tensors[name].shape[0]
        module = parent(name)
        for pool in (
            self._by_name(name, rows),
            self._inside.get((module, rows), []),
            self._around.get((module, rows), []),
            self._around.get((parent(module), rows), []),
        ):
            fitting = list(islice((other for other in pool if other != name), MOST))
            if fitting:
                return fitting
        return []

    def _by_name(self, name: str, rows: int) -> list[str]:
        """The input matrix by its name, where there is one."""
        for hidden, inputs in HIDDEN_TO_INPUT:
            other = re.sub(rf"(^|[._]){hidden}(?=$|[._])", rf"\g<1>{inputs}", name)
            if other != name and other in self._usable and self._tensors[other].shape[0] == rows:
                return [other]
        return []

    def bias_of(self, name: str) -> str | None:
        """The bias that stands beside a matrix: `h2h.bias` for `h2h.weight`."""
        local = name.rpartition(".")[2]
        other = join(parent(name), local.replace("weight", "bias"))
        return other if "weight" in local and other in self._tensors else None


def _is_attention(name: str) -> bool:
    """Whether a name is an attention layer's: those share shapes with gates."""
    return "in_proj" in name or "attn" in name
