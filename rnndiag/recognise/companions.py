"""Matrices beside the recurrence that tell what it was fed and who reads it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from rnndiag.containers.checkpoint import StoredTensor
from rnndiag.recognise.layers import RecurrentModule

EMBEDDING = re.compile(r"embed|(?:^|[^a-z])emb|emb(?:$|[^a-z])", re.IGNORECASE)
"""`embedding`, `emb`, `wordemb`, but not `ensemble` or `remember`."""


def embeddings(tensors: Mapping[str, StoredTensor]) -> tuple[str, ...]:
    """Matrices named as embeddings, in the order of the file.

    One with a bias beside it is a linear layer that somebody called an embedding.
    """
    named = (name for name in tensors if _is_embedding(name, tensors[name]))
    return tuple(_once(tensors, (name for name in named if not _has_bias(name, tensors))))


def other_matrices(
    tensors: Mapping[str, StoredTensor], claimed: Collection[str]
) -> tuple[str, ...]:
    """Weights of two or more dimensions outside the recurrence, in the order of the file.

    `claimed` may name a weight that a wrapper hides and that is not in the file itself.
    """
    recurrent = {tensors[name].identity for name in claimed if name in tensors}
    outside = (
        name
        for name, tensor in tensors.items()
        if len(tensor.shape) >= 2 and tensor.is_floating and tensor.identity not in recurrent
    )
    return tuple(_once(tensors, outside))


def readouts(
    tensors: Mapping[str, StoredTensor],
    modules: Iterable[RecurrentModule],
    claimed: Collection[str],
) -> tuple[str, ...]:
    """Matrices as wide as one or both directions of some module's output, in file order."""
    widths = {count * module.output_size for module in modules for count in (1, 2)}
    fitting = (
        name
        for name, tensor in tensors.items()
        if _is_weight_matrix(name, tensor)
        and name not in claimed
        and tensor.shape[1] in widths
        and not _is_embedding(name, tensor)
    )
    return tuple(_once(tensors, fitting))


def _is_weight_matrix(name: str, tensor: StoredTensor) -> bool:
    """Whether a tensor is a linear layer's weight by its looks."""
    return name.endswith(".weight") and len(tensor.shape) == 2 and tensor.is_floating


def _is_embedding(name: str, tensor: StoredTensor) -> bool:
    """Whether one of a name's last two parts says embedding."""
    parts = name.split(".")[-2:]
    return (
        parts[-1].endswith("weight")
        and len(tensor.shape) == 2
        and tensor.is_floating
        and any(EMBEDDING.search(part) for part in parts)
    )


def _has_bias(name: str, tensors: Mapping[str, StoredTensor]) -> bool:
    """Whether a vector of one entry a row stands beside a weight."""
    bias = tensors.get(name.removesuffix("weight") + "bias")
    return bias is not None and bias.shape == tensors[name].shape[:1]


def _once(tensors: Mapping[str, StoredTensor], names: Iterable[str]) -> Iterator[str]:
    """Leave out second names of one storage."""
    seen = set()
    for name in names:
        if tensors[name].identity not in seen:
            seen.add(tensors[name].identity)
            yield name
