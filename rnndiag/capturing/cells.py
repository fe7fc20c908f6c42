"""nn.RNNCell, nn.GRUCell and nn.LSTMCell: one call is one step; a loop over calls is a sequence.

A step continues a sequence if the state it is given *is* what the sequence's last step returned.
Anything done to the state between (a mask, dropout, detach) begins a new one: it is no longer the
cell's own recurrence.

A hook on h_t sees all of ∂L/∂h_t, what comes back through later steps included. Reading a probe
takes that apart; taking the state apart here would change the graph.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rnndiag.capturing.sequences import Recorded, kept, watched


class CellLoop(Recorded):
    """Steps of one cell, each fed by the one before."""

    def __init__(
        self, module: str, kind: str, arrived: Callable[[Recorded], float], initial: list[Tensor]
    ) -> None:
        super().__init__(module, kind, arrived)
        self._initial = initial
        self._inputs: list[Tensor] = []
        self._last: list[Tensor] = []
        self._gradients: dict[str, dict[int, Tensor]] = {}

    def add(self, inputs: Tensor, outputs: Sequence[Tensor]) -> list[Any]:
        """One more step; handles of its hooks."""
        step = len(self._inputs)
        self._inputs.append(_rows(kept(inputs)))
        self._last = [_rows(output.detach()) for output in outputs]
        names = ["dL_dh"]
        if len(outputs) == 2:
            # A fused kernel has one node for both: its gradient of c leaves out the way through h.
            fused = outputs[0].grad_fn is outputs[1].grad_fn
            names.append("dL_dc_beside_h" if fused else "dL_dc")
        return [
            self._watch(name, step, output) for name, output in zip(names, outputs, strict=True)
        ]

    def _watch(self, name: str, step: int, output: Tensor) -> Any:
        of_steps = self._gradients.setdefault(name, {})

        def received(gradient: Tensor) -> None:
            self.announce()
            new = _rows(kept(gradient))
            of_steps[step] = of_steps[step] + new if step in of_steps else new

        return watched(output, received)

    def tensors(self) -> dict[str, Tensor]:
        """Every step's, stacked."""
        steps, batch = len(self._inputs), len(self._inputs[0])
        found = {
            "inputs": torch.stack(self._inputs),
            "lengths": torch.full((batch,), steps),
            "dL_dh": self._inputs[0].new_zeros(steps, *self._last[0].shape),
        }
        for letter, start, end in zip("hc", self._initial, self._last, strict=False):
            found[f"{letter}_0"], found[f"{letter}_n"] = start[None], kept(end)[None]
        for name, by_step in self._gradients.items():
            if not by_step:
                continue
            zero = torch.zeros_like(next(iter(by_step.values())))
            found[name] = torch.stack([by_step.get(step, zero) for step in range(steps)])
        return found


class CellCalls:
    """Which loop each call of one cell continues."""

    def __init__(self, name: str, cell: nn.RNNCellBase) -> None:
        self._name = name
        self._kind = _kind(cell)
        self._open: list[tuple[list[weakref.ref[Tensor]], CellLoop]] = []

    def record(
        self,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        output: Any,
        arrived: Callable[[Recorded], float],
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
            starts = [
                _rows(torch.zeros_like(end) if state is None else kept(state))
                for state, end in zip(states, outputs, strict=True)
            ]
            loop = CellLoop(self._name, self._kind, arrived, starts)
        self._open.append(([weakref.ref(each) for each in outputs], loop))
        return loop.add(inputs, outputs)

    def _continued(self, states: Sequence[Tensor | None]) -> CellLoop | None:
        """The loop whose last outputs these states are; it is closed to any other call."""
        self._open = [link for link in self._open if link[0][0]() is not None]
        for link in self._open:
            if all(ref() is state for ref, state in zip(link[0], states, strict=True)):
                self._open.remove(link)
                return link[1]
        return None


def _kind(cell: nn.RNNCellBase) -> str:
    if isinstance(cell, nn.RNNCell):
        return f"rnn_{cell.nonlinearity}"
    return "lstm" if isinstance(cell, nn.LSTMCell) else "gru"


def _rows(values: Tensor) -> Tensor:
    """(batch, width), of an unbatched call too."""
    return values if values.dim() == 2 else values[None]
