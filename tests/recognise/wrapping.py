"""Checkpoints made of torch's own state dicts, without a file."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from rnndiag.containers.checkpoint import Checkpoint, StoredTensor


def stored(tensor: torch.Tensor) -> StoredTensor:
    """A tensor as a reader would describe it; reading its values is a failure of the test."""

    def load():
        raise AssertionError("recognition read the values of a tensor")

    identity = (
        tensor.untyped_storage().data_ptr(),
        tensor.storage_offset(),
        tuple(tensor.shape),
        tensor.stride(),
    )
    return StoredTensor(str(tensor.dtype)[6:], tuple(tensor.shape), identity, load)


def checkpoint(tensors: Mapping[str, torch.Tensor], values=None) -> Checkpoint:
    described = {name: stored(tensor) for name, tensor in tensors.items()}
    return Checkpoint("model.pt", "torch-zip", 0, described, dict(values or {}))


def state(module: torch.nn.Module, prefix: str = "") -> dict[str, torch.Tensor]:
    """A module's state dict under a prefix."""
    return {f"{prefix}{name}": tensor for name, tensor in module.state_dict().items()}


def shaped(**shapes: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """Tensors of given shapes; a double underscore in a name is a dot."""
    return {name.replace("__", "."): torch.zeros(shape) for name, shape in shapes.items()}
