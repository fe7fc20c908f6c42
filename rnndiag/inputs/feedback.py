"""How a network's output becomes its next input, where the file shows it.

A language model samples a symbol from its scores and looks its embedding up; a forecaster takes its
prediction for the next value. Nothing may lie between: what else the file holds (a normalisation,
a layer between embedding and recurrence, a second recurrent module) leaves open what the network is
fed, and then nothing is generated and the reason is said.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from rnndiag.containers.checkpoint import Checkpoint, StoredTensor
from rnndiag.inputs.symbols import FEWEST_SYMBOLS
from rnndiag.recognise.layers import Recognition, RecurrentModule
from rnndiag.recognise.names import model_tensors, parent

START = re.compile(r"(?:^|[._])(?:h_?0|c_?0|h_?init|c_?init|init_?(?:h|c|hidden|state)|initial)")
"""A learned state to start from: no part of the way from output to input."""


@dataclass(frozen=True)
class Feedback:
    """The way from h to the next input."""

    kind: Literal["embedding", "onehot", "value"]
    """Scores to a row of the embedding; scores to a one-hot vector; the output itself."""

    readout: StoredTensor
    """Shape (outputs, output): scores or predictions from the top layer's h."""

    readout_name: str

    bias: StoredTensor | None

    embedding: StoredTensor | None = None
    """Shape (outputs, input)."""

    embedding_name: str = ""

    @property
    def source(self) -> str:
        """In words, for a reader."""
        if self.kind == "embedding":
            return f"its own samples: {self.readout_name} to rows of {self.embedding_name}"
        if self.kind == "onehot":
            return f"its own samples: {self.readout_name} to one-hot symbols"
        return f"its own predictions, by {self.readout_name}"


@dataclass(frozen=True)
class NoFeedback:
    """Why none is known."""

    why: str


def find_feedback(
    module: RecurrentModule, recognition: Recognition, checkpoint: Checkpoint
) -> list[Feedback] | NoFeedback:
    """The ways that the file allows, likeliest first.

    Several only where numbers cannot be told from symbols: a readout as wide as the input may be
    either.
    """
    if module.bidirectional:
        return NoFeedback("a bidirectional network has no next input")
    if len(recognition.modules) > 1:
        return NoFeedback("the file holds several recurrent modules")
    tensors = model_tensors(checkpoint)
    used = {key for layer in module.flat for key in layer.keys}
    matrices = [
        name
        for name in recognition.other_matrices
        if name not in used and not START.search(name.lower())
    ]
    between = _between(tensors, used, matrices)
    if between is not None:
        return NoFeedback(f"{between} may lie between output and next input")
    outside = {name: tensors[name] for name in matrices if name in tensors}
    ways = list(_ways(module, outside, tensors))
    if ways:
        return ways
    if not outside:
        return NoFeedback("the file holds no readout")
    return NoFeedback("no readout in the file scores what the network takes as input")


def _between(tensors: dict[str, StoredTensor], used: set[str], matrices: list[str]) -> str | None:
    """A parameter beside the recurrence, at most two matrices and their biases."""
    if len(matrices) > 2:
        return f"one of {', '.join(matrices[:3])}{' …' if matrices[3:] else ''}"
    recurrent = {tensors[name].identity for name in used if name in tensors}
    known = {tensors[name].identity for name in matrices if name in tensors} | recurrent
    # A tied readout has the embedding's storage, and a name and a bias of its own.
    aliases = [
        name
        for name, tensor in tensors.items()
        if tensor.identity in known and tensor.identity not in recurrent
    ]
    for name, tensor in tensors.items():
        if tensor.identity in known or not tensor.is_floating or tensor.size < 2:
            continue
        if START.search(name.lower()):
            continue
        if not any(_is_bias(name, tensor, of, tensors[of]) for of in aliases):
            return name
    return None


def _is_bias(name: str, tensor: StoredTensor, of: str, matrix: StoredTensor) -> bool:
    return (
        tensor.shape == matrix.shape[:1]
        and parent(name) == parent(of)
        and "bias" in name.rpartition(".")[2]
    )


def _ways(
    module: RecurrentModule, outside: dict[str, StoredTensor], tensors: dict[str, StoredTensor]
) -> Iterable[Feedback]:
    out, wanted = module.output_size, module.input_size
    if len(outside) == 1:
        ((name, matrix),) = outside.items()
        bias = _bias_of(name, matrix, tensors)
        if matrix.shape == (wanted, out):
            # A tied embedding has its own rows for scores; one more reader than feature is one-hot.
            if bias is None and wanted == out and _named_embedding(name):
                return
            if wanted >= FEWEST_SYMBOLS:
                yield Feedback("onehot", matrix, name, bias)
            yield Feedback("value", matrix, name, bias)
        elif matrix.shape[1:] == (out,) == (wanted,) and _named_embedding(name):
            free = _only_vector(tensors, matrix.shape[0])
            yield Feedback("embedding", matrix, name, free, matrix, name)
        return
    for embedding, readout in _pairs(list(outside)):
        rows, scores = outside[embedding], outside[readout]
        if rows.shape[1:] == (wanted,) and scores.shape == (rows.shape[0], out):
            bias = _bias_of(readout, scores, tensors)
            if _bias_of(embedding, rows, tensors) is None:
                yield Feedback("embedding", scores, readout, bias, rows, embedding)
                return


def _pairs(names: list[str]) -> list[tuple[str, str]]:
    """Both ways round, the one whose first is named as an embedding first."""
    return sorted(itertools.permutations(names, 2), key=lambda pair: not _named_embedding(pair[0]))


def _named_embedding(name: str) -> bool:
    return re.search(r"emb|encoder|wte|lookup|vocab", name, re.IGNORECASE) is not None


def _bias_of(
    name: str, matrix: StoredTensor, tensors: dict[str, StoredTensor]
) -> StoredTensor | None:
    bias = tensors.get(f"{parent(name)}.bias" if parent(name) else "bias")
    return bias if bias is not None and bias.shape == matrix.shape[:1] else None


def _only_vector(tensors: dict[str, StoredTensor], size: int) -> StoredTensor | None:
    """The bias of a tied readout, which stands under the readout's own name."""
    fitting = [
        tensor
        for name, tensor in tensors.items()
        if tensor.shape == (size,) and name.endswith("bias")
    ]
    return fitting[0] if len(fitting) == 1 else None
