"""What was recorded of one batch of sequences, and of many of them side by side."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

TIMED = frozenset({"inputs", "dL_dy", "dL_dh", "dL_dc", "dL_dc_beside_h"})
"""Tensors with time as their first dimension; the others have layers or the batch first."""


class Recorded(ABC):
    """One batch of sequences through one module, once a loss gradient has reached it."""

    def __init__(self, module: str, kind: str, arrived: Callable[[Recorded], float]) -> None:
        self.module = module
        self.kind = kind
        self.step: int | None = None
        """The training step it belongs to; None until its parameters' gradients come."""

        self.scale = 1.0
        """The loss scaler's factor, which all of its gradients carry."""

        self._arrived: Callable[[Recorded], float] | None = arrived

    def announce(self) -> None:
        """Say, once, that a gradient has come; before that nobody but the graph holds this."""
        if self._arrived is not None:
            self.scale, self._arrived = self._arrived(self), None

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Time first, batch second; states are (layers * directions, batch, width)."""


def kept(tensor: Tensor) -> Tensor:
    """A copy on the CPU in the tensor's own dtype: the original may be written to or grow stale."""
    plain = tensor.detach() if tensor.requires_grad else tensor
    return plain.clone() if plain.is_cpu else plain.cpu()


def watched(tensor: Tensor, received: Callable[[Tensor], None]) -> Any:
    """Have a tensor's gradient handed over when it is complete; the handle of the hook."""
    return tensor.register_hook(received)  # type: ignore[no-untyped-call] # torch has no types here


def side_by_side(sequences: Sequence[Recorded]) -> dict[str, Tensor]:
    """The sequences of one module as one padded batch; `call` and `step` say which was whose."""
    parts = [each.tensors() for each in sequences]
    steps = max(len(part["inputs"]) for part in parts)
    joined = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        like = next(part[name] for part in parts if name in part)
        same = [part[name] if name in part else _zeros(name, like, part) for part in parts]
        if name in TIMED:
            same = [pad(each, (0, 0, 0, 0, 0, steps - len(each))) for each in same]
        joined[name] = torch.cat(same, dim=0 if name == "lengths" else 1)
    sizes = torch.tensor([len(part["lengths"]) for part in parts])
    joined["call"] = torch.arange(len(parts)).repeat_interleave(sizes)
    marks = torch.tensor([each.step or 0 for each in sequences])
    joined["step"] = marks.repeat_interleave(sizes)
    scales = torch.tensor([each.scale for each in sequences], dtype=torch.float64)
    joined["loss_scale"] = scales.repeat_interleave(sizes)
    return joined


def _zeros(name: str, like: Tensor, part: dict[str, Tensor]) -> Tensor:
    """A gradient that never came is zero."""
    first = len(part["inputs"]) if name in TIMED else like.shape[0]
    return like.new_zeros(first, len(part["lengths"]), like.shape[2])
