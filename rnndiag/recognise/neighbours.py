"""Tensors beside a recurrent matrix: the input matrix and the biases that go with it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

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


class Neighbourhood:
    """The usable matrices of a model, by module and by the module around that."""

    def __init__(self, tensors: Mapping[str, StoredTensor], taken: Collection[str]) -> None:
        self._tensors = tensors
        self._inside: dict[str, list[str]] = {}
        self._around: dict[str, list[str]] = {}
        for name, tensor in tensors.items():
            if len(tensor.shape) == 2 and tensor.is_floating and name not in taken:
                self._inside.setdefault(parent(name), []).append(name)
                self._around.setdefault(parent(parent(name)), []).append(name)

    def input_matrices(self, name: str) -> list[str]:
        """Every matrix that could feed the one named: the likeliest alone, or all that fit.

        First the name that PyTorch users give it, then its own module, then the modules in it and
        beside it.
        """
        rows = self._tensors[name].shape[0]
        for pool in (
            self._by_name(name),
            self._inside.get(parent(name), []),
            self._around.get(parent(name), []),
            self._around.get(parent(parent(name)), []),
        ):
            fitting = [
                other
                for other in pool
                if other != name
                and self._tensors[other].shape[0] == rows
                and not _is_attention(other)
            ]
            if fitting:
                return fitting
        return []

    def _by_name(self, name: str) -> list[str]:
        """The input matrix by its name, where there is one."""
        for hidden, inputs in HIDDEN_TO_INPUT:
            other = re.sub(rf"(^|[._]){hidden}(?=$|[._])", rf"\g<1>{inputs}", name)
            if other != name and other in self._inside.get(parent(other), ()):
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
