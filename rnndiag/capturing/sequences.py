"""What was recorded of one batch of sequences, and of many of them side by side."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from rnndiag.capturing.lineage import Origin, continued_rows

TIMED = frozenset({"inputs", "h", "c", "dL_dy", "dL_dh", "dL_dc", "dL_dc_beside_h"})
"""Tensors with time as their first dimension; the others have layers or the batch first."""


running_pass: Callable[[], int] = torch._C._current_graph_task_id
"""The number of the engine's pass that runs; torch counts them."""


class BackwardPasses:
    """Which passes of the autograd engine reached a parameter's `.grad`: those that train.

    `torch.autograd.grad` runs the same engine and calls the same hooks, for a gradient penalty, for
    instance. What it hands back is no gradient of the training step.
    """

    def __init__(self) -> None:
        self._training: set[int] = set()

    def train(self) -> bool:
        """The pass that runs has reached a parameter; whether it is its first."""
        number = running_pass()
        first = number not in self._training
        self._training.add(number)
        return first

    def trained(self, number: int) -> bool:
        """Whether that pass has reached a parameter."""
        return number in self._training

    def __bool__(self) -> bool:
        return bool(self._training)


class Recorded(ABC):
    """One batch of sequences through one module, once a loss gradient has reached it."""

    def __init__(
        self,
        module: str,
        kind: str,
        arrived: Callable[[Recorded], float],
        passes: BackwardPasses,
        origins: Sequence[Origin] = (),
    ) -> None:
        self.module = module
        self.kind = kind
        self.step: int | None = None
        """The training step it belongs to; None until its parameters' gradients come."""

        self.scale = 1.0
        """The loss scaler's factor, which all of its gradients carry."""

        self.origins = origins
        """The calls whose last states may be what this one started from."""

        self._arrived: Callable[[Recorded], float] | None = arrived
        self._passes = passes

        self.latest_pass = -1
        """Of the engine, that brought a gradient."""

    @property
    def trains(self) -> bool:
        """Whether its gradients are those of a pass that reached a parameter."""
        return self._passes.trained(self.latest_pass)

    def announce(self) -> None:
        """A pass brings its first gradient; from the very first on this is part of the probe.

        Gradients of several passes through one graph add up, but for those of a pass before that
        reached no parameter.
        """
        if self._arrived is not None:
            self.scale, self._arrived = self._arrived(self), None
        elif not self.trains:
            self.forget()
        self.latest_pass = running_pass()

    @abstractmethod
    def forget(self) -> None:
        """Drop the gradients that have come."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Time first, batch second; states are (layers * directions, batch, width)."""


def kept(tensor: Tensor) -> Tensor:
    """A copy on the CPU in the tensor's own dtype: the original may be written to or grow stale."""
    plain = tensor.detach() if tensor.requires_grad else tensor
    return plain.clone() if plain.is_cpu else plain.cpu()


def watched(tensor: Tensor, received: Callable[[Tensor | None], None]) -> Any:
    """Have a tensor's gradient handed over when it is complete; the handle of the hook.

    None is handed over where another result of the same operation has one and this has none: of the
    h_n that a classifier reads and the output that it does not.
    """
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
    joined["continues"] = _continues(sequences, parts)
    return joined


def _continues(sequences: Sequence[Recorded], parts: Sequence[dict[str, Tensor]]) -> Tensor:
    """Of every row the one that it goes on from, -1 where it begins."""
    numbers = {id(each): number for number, each in enumerate(sequences)}
    origins = [
        [numbers[id(found)] for origin in each.origins if id(found := origin()) in numbers]
        for each in sequences
    ]
    return continued_rows(origins, parts)


def _zeros(name: str, like: Tensor, part: dict[str, Tensor]) -> Tensor:
    """A gradient that never came is zero."""
    first = len(part["inputs"]) if name in TIMED else like.shape[0]
    return like.new_zeros(first, len(part["lengths"]), like.shape[2])
