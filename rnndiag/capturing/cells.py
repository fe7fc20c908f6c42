"""nn.RNNCell, nn.GRUCell and nn.LSTMCell: one call is one step; a loop over calls is a sequence.

A step continues a loop if the state it is given *is* what the loop's last step returned. Where
anything was done to the state between, a loop ends and another begins; `lineage` tells which of its
samples go on from there all the same.

A hook on h_t sees all of ∂L/∂h_t, what comes back through later steps included. Reading a probe
takes that apart; taking the state apart here would change the graph.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rnndiag.capturing.lineage import Origin, continued, mark, origins
from rnndiag.capturing.sequences import BackwardPasses, Recorded, kept, watched


class CellLoop(Recorded):
    """Steps of one cell, each fed by the one before.

    A step of a small cell takes 100 µs, so what can wait does: where the inputs are `guarded`, that
    is, nobody may write to them before `backward()`, they are copied all at once when it begins.
    """

    def __init__(
        self,
        module: str,
        kind: str,
        arrived: Callable[[Recorded], float],
        passes: BackwardPasses,
        origins: Sequence[Origin],
        initial: list[Tensor],
        names: Sequence[str],
        guarded: bool,
    ) -> None:
        super().__init__(module, kind, arrived, passes, origins)
        self._initial = initial
        self._guarded = guarded
        self._self = weakref.ref(self)
        self.steps = 0
        """How many there are so far."""

        self._lent: list[Tensor] = []
        self._copied: list[Tensor] = []
        self._last: list[Tensor] = []
        self._gradients: list[tuple[str, dict[int, Tensor]]] = [(name, {}) for name in names]

    def add(self, inputs: Tensor, outputs: Sequence[Tensor]) -> list[Any]:
        """One more step; handles of its hooks."""
        step = self.steps
        self.steps += 1
        self._lent.append(inputs.detach() if self._guarded else kept(inputs))
        # Copied, since a reset may be written into it.
        self._last = [kept(output) for output in outputs]
        mark(self._self, self.steps, outputs)
        return [
            watched(output, self._receiver(of_steps, step))
            for (_, of_steps), output in zip(self._gradients, outputs, strict=True)
        ]

    def _receiver(self, of_steps: dict[int, Tensor], step: int) -> Callable[[Tensor], None]:
        def received(gradient: Tensor | None) -> None:
            if gradient is None:
                return
            self.announce()
            if self._lent:
                self._copy()
            new = kept(gradient)
            of_steps[step] = of_steps[step] + new if step in of_steps else new

        return received

    def forget(self) -> None:
        """Drop the gradients that have come."""
        for _, of_steps in self._gradients:
            of_steps.clear()

    def _copy(self) -> None:
        """The inputs that were only referred to until now, on the CPU."""
        self._copied.append(torch.stack(self._lent).cpu())
        self._lent.clear()

    def tensors(self) -> dict[str, Tensor]:
        """Every step's, stacked."""
        if self._lent:
            self._copy()
        inputs = _rows(torch.cat(self._copied), 3)
        found = {
            "inputs": inputs,
            "lengths": torch.full((inputs.shape[1],), self.steps),
            "dL_dh": inputs.new_zeros(self.steps, *_rows(self._last[0], 2).shape),
        }
        for letter, start, end in zip("hc", self._initial, self._last, strict=False):
            found[f"{letter}_0"] = _rows(start, 2)[None]
            found[f"{letter}_n"] = _rows(end, 2)[None]
        for name, by_step in self._gradients:
            if not by_step:
                continue
            zero = torch.zeros_like(next(iter(by_step.values())))
            gradients = [by_step.get(step, zero) for step in range(self.steps)]
            found[name] = _rows(torch.stack(gradients), 3)
        return found


class CellCalls:
    """Which loop each call of one cell continues."""

    def __init__(self, name: str, cell: nn.RNNCellBase) -> None:
        self._name = name
        self._kind = _kind(cell)
        self._cell = cell

    def record(
        self,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        output: Any,
        arrived: Callable[[Recorded], float],
        passes: BackwardPasses,
    ) -> list[Any]:
        """Add one call to its loop; handles of its hooks, none for a call without gradients."""
        outputs = output if isinstance(output, tuple) else (output,)
        if not outputs[0].requires_grad:
            return []
        inputs = args[0] if args else kwargs["input"]
        given = args[1] if len(args) > 1 else kwargs.get("hx")
        states = given if isinstance(given, tuple) else (given,) * len(outputs)
        loop = self._continued(states)
        if loop is None:
            # The graph saves x for the gradient of W_ih, and then backward() refuses an x that was
            # written to. Of frozen weights it saves none, and under autocast a copy.
            autocast = torch.is_autocast_enabled(inputs.device.type)
            guarded = self._cell.weight_ih.requires_grad and not autocast
            begun = _beginning(states, outputs)
            before = origins(self._name, states)
            loop = CellLoop(self._name, self._kind, arrived, passes, before, *begun, guarded)
        return loop.add(inputs, outputs)

    def _continued(self, states: Sequence[Tensor | None]) -> CellLoop | None:
        """The loop whose last outputs these states are."""
        found = continued(states)
        if found is None:
            return None
        loop, step = found
        mine = isinstance(loop, CellLoop) and loop.module == self._name and loop.steps == step
        return loop if mine and isinstance(loop, CellLoop) else None


def _beginning(
    states: Sequence[Tensor | None], outputs: Sequence[Tensor]
) -> tuple[list[Tensor], list[str]]:
    """What a loop starts from, and what the gradients of its outputs are called."""
    starts = [
        torch.zeros_like(end) if state is None else kept(state)
        for state, end in zip(states, outputs, strict=True)
    ]
    if len(outputs) == 1:
        return starts, ["dL_dh"]
    # A fused kernel has one node for both: its gradient of c leaves out the way through h.
    fused = outputs[0].grad_fn is outputs[1].grad_fn
    return starts, ["dL_dh", "dL_dc_beside_h" if fused else "dL_dc"]


def _kind(cell: nn.RNNCellBase) -> str:
    if isinstance(cell, nn.RNNCell):
        return f"rnn_{cell.nonlinearity}"
    return "lstm" if isinstance(cell, nn.LSTMCell) else "gru"


def _rows(values: Tensor, dimensions: int) -> Tensor:
    """With a batch before the last dimension, of unbatched calls too."""
    return values if values.dim() == dimensions else values.unsqueeze(-2)
