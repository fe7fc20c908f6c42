"""Norms of the parameters' gradients at the end of each backward pass, before anything clips them.

`Tensor.register_post_accumulate_grad_hook` runs when a parameter's gradient has been added to its
`.grad`: before `clip_grad_norm_`, before any optimizer, in whatever way these are called. Where
several processes train one model, the norms are those of the gradients' mean over all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist

from rnndiag.capturing.sequences import BackwardPasses, watched

HALVES = frozenset({torch.float16, torch.bfloat16})
"""dtypes in which a sum of squares overflows or loses its digits."""


class GradientNorms:
    """One dictionary of norms a training step; a later backward pass of a step replaces its norms.

    A step begins when a parameter that already has a norm in this one finds its gradient reset to
    None or zero. So gradients that are accumulated over several backward passes are one step, whose
    norms are those of the sum.
    """

    def __init__(
        self,
        model: nn.Module,
        scale: Callable[[], float],
        received: Callable[[int], None],
        passes: BackwardPasses,
    ) -> None:
        self._scale = scale
        self._received = received
        self._passes = passes
        self._reset: set[str] = set()
        self._steps: list[dict[str, Tensor]] = []
        self._scales: list[float] = []
        self._parameters = dict(model.named_parameters())
        self.names = [name for name, p in model.named_parameters() if p.requires_grad]
        self.handles = [
            handle
            for name, parameter in model.named_parameters()
            if parameter.requires_grad
            for handle in self._watch(name, parameter)
        ]

    @property
    def begun(self) -> int:
        """Steps of which at least one gradient has come."""
        return len(self._steps)

    def _watch(self, name: str, parameter: nn.Parameter) -> list[Any]:
        def coming(_: Tensor | None) -> None:
            # torch.autograd.grad calls this too, and adds nothing.
            if not self._steps or (name in self._steps[-1] and _is_reset(parameter.grad)):
                self._reset.add(name)
            else:
                self._reset.discard(name)

        def added(tensor: Tensor) -> None:
            if not self._steps or (name in self._reset and name in self._steps[-1]):
                self._steps.append({})
                self._scales.append(self._scale())
            if self._passes.train() and dist.is_available() and dist.is_initialized():
                _at_the_end_of_this_pass(self._measure_again)
            # An optimizer that steps in a hook of its own may already have taken it away.
            if tensor.grad is not None:
                self._steps[-1][name] = _norm(tensor.grad.detach())
            self._received(len(self._steps) - 1)

        register = parameter.register_post_accumulate_grad_hook
        return [watched(parameter, coming), register(added)]  # type: ignore[no-untyped-call] # torch has no types here

    def _measure_again(self) -> None:
        """Once what other processes found has been added to the gradients."""
        for name in self._steps[-1]:
            gradient = self._parameters[name].grad
            if gradient is not None:
                self._steps[-1][name] = _norm(gradient.detach())

    def of_parameters(self) -> dict[str, list[float]]:
        """By parameter and step; NaN in a step that left the parameter without a gradient."""
        by_step = [
            {name: float(norm) / scale for name, norm in step.items()}
            for step, scale in zip(self._steps, self._scales, strict=True)
        ]
        return {name: [step.get(name, math.nan) for step in by_step] for name in self.names}

    def whole(self) -> list[float]:
        """‖∂L/∂θ‖ over all parameters, by step."""
        return [
            math.hypot(*(float(norm) for norm in step.values())) / scale
            for step, scale in zip(self._steps, self._scales, strict=True)
        ]


def _at_the_end_of_this_pass(call: Callable[[], None]) -> None:
    """Call after everything that waits for the end of the engine's pass by now.

    DistributedDataParallel waits with the averaged gradients, but only once the last one is there,
    and calls are made in the order in which they were queued, also those that a call queues.
    """
    engine = torch.autograd.Variable._execution_engine
    engine.queue_callback(lambda: engine.queue_callback(call))


def _is_reset(gradient: Tensor | None) -> bool:
    return gradient is None or not bool(_values(gradient).any())


def _norm(gradient: Tensor) -> Tensor:
    """Left on its device: asking for the number would wait for the device."""
    values = _values(gradient)
    wider = torch.float32 if values.dtype in HALVES else None
    norm: Tensor = torch.linalg.vector_norm(values, dtype=wider)
    return norm


def _values(gradient: Tensor) -> Tensor:
    """The numbers of a gradient, sparse (an embedding's) or not."""
    return gradient.coalesce().values() if gradient.is_sparse else gradient
