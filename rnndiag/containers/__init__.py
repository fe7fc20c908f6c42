"""From a file to a Checkpoint: the only code that opens files."""

from __future__ import annotations

from rnndiag.containers.candidate import Candidate, Container
from rnndiag.containers.checkpoint import Checkpoint
from rnndiag.containers.impostors import explain
from rnndiag.containers.safetensors import SAFETENSORS
from rnndiag.containers.source import Source
from rnndiag.containers.torch_legacy import TORCH_LEGACY
from rnndiag.containers.torch_zip import TORCH_ZIP

CONTAINERS: tuple[Container, ...] = (TORCH_ZIP, TORCH_LEGACY, SAFETENSORS)
"""The formats that are read, asked in this order. A new one is one file and one entry here."""


def read(path: str) -> Checkpoint:
    """Read a checkpoint without running anything in it. The format is told by its content.

    Tensors keep nothing but their description until `StoredTensor.load` is called, which reopens
    the file and raises RD003 if it has changed.

    Raises RnndiagError: RD001 the path leads to no regular file; RD002 no checkpoint; RD003 damaged
    or truncated; RD004 unsafe or over a limit; RD005 a format that is known and not read.
    """
    with Source.open(path) as source:
        candidate = Candidate.of(source)
        for container in CONTAINERS:
            if container.recognises(candidate):
                contents = container.read(candidate)
                return Checkpoint(
                    path,
                    container.name,
                    source.size,
                    contents.tensors,
                    contents.values,
                    contents.would_import,
                    contents.skipped,
                )
        raise explain(candidate)
