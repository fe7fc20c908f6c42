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

from rnndiag.capturing.lineage import Origin, continues, mark, origins
from rnndiag.capturing.sequences import BackwardPasses, Recorded, kept, running_pass, watched

FORWARDS = frozenset({nn.RNNCell.forward, nn.GRUCell.forward, nn.LSTMCell.forward})
"""Steps that draw no random numbers and may be computed again."""


class CellLoop(Recorded):
    """Steps of one cell, each fed by the one before.

    A step of a small cell takes 100 µs, so what can wait does: where inputs and states are
    `guarded`, that is, nobody may write to them before `backward()`, they are copied all at once
    when it begins.
    """

    def __init__(
        self,
        module: str,
        cell: nn.RNNCellBase,
        arrived: Callable[[Recorded], float],
        passes: BackwardPasses,
        origins: Sequence[Origin],
        initial: list[Tensor],
        names: Sequence[str],
        guarded: bool,
    ) -> None:
        super().__init__(module, _kind(cell), arrived, passes, origins)
        self._cell = cell
        self._initial = initial
        self._guarded = guarded
        self._self: Origin = weakref.ref(self)
        self.steps = 0
        """How many there are so far."""

        self._lent: list[Tensor] = []
        self._copied: list[Tensor] = []
        self._states: list[list[Tensor]] = [[] for _ in names]
        self._versions: list[int] = []
        self._gradients: list[tuple[str, dict[int, Tensor]]] = [(name, {}) for name in names]

    def add(self, inputs: Tensor, outputs: Sequence[Tensor]) -> list[Any]:
        """One more step; handles of its hooks."""
        step = self.steps
        self.steps = step + 1
        self._lent.append(inputs.detach() if self._guarded else kept(inputs))
        handles = []
        for output, states, (_, of_steps) in zip(
            outputs, self._states, self._gradients, strict=True
        ):
            mark(output, self._self, step + 1)
            states.append(output.detach() if self._guarded else kept(output))
            handles.append(watched(output, self._receiver(of_steps, step)))
        self._versions = [output._version for output in outputs]
        return handles

    def _receiver(self, of_steps: dict[int, Tensor], step: int) -> Callable[[Tensor | None], None]:
        def received(gradient: Tensor | None) -> None:
            if gradient is None:
                return
            if self.latest_pass != running_pass():
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
        """What was only referred to until now, on the CPU."""
        self._restore()
        self._copied.append(torch.stack(self._lent).cpu())
        self._lent.clear()
        for states in self._states:
            states[-1] = kept(states[-1])  # of all states the one that its owner still has
            if len(states) > 1 and not states[0].is_cpu:
                states[:-1] = torch.stack(states[:-1]).cpu().unbind()

    def _restore(self) -> None:
        """Compute the last states again where a reset was written into them.

        It may be: of all states only the last is no part of what the next step's gradient needs.
        """
        versions = [states[-1]._version for states in self._states]
        if not self._guarded or versions == self._versions:
            return
        before = [
            (start if len(states) == 1 else states[-2]).to(states[-1])
            for states, start in zip(self._states, self._initial, strict=True)
        ]
        with torch.no_grad():
            given = tuple(before) if len(before) > 1 else before[0]
            again = type(self._cell).forward(self._cell, self._lent[-1], given)
        outputs = again if isinstance(again, tuple) else (again,)
        for states, output in zip(self._states, outputs, strict=True):
            states[-1] = output

    def tensors(self) -> dict[str, Tensor]:
        """Every step's, stacked."""
        if self._lent:
            self._copy()
        inputs = _rows(torch.cat(self._copied), 3)
        found = {"inputs": inputs, "lengths": torch.full((inputs.shape[1],), self.steps)}
        for letter, start, states in zip("hc", self._initial, self._states, strict=False):
            found[letter] = _rows(torch.stack([state.cpu() for state in states]), 3)
            found[f"{letter}_0"] = _rows(start, 2)[None]
            found[f"{letter}_n"] = found[letter][-1:]
        found["dL_dh"] = torch.zeros_like(found["h"])
        for name, by_step in self._gradients:
            if not by_step:
                continue
            zero = torch.zeros_like(next(iter(by_step.values())))
            gradients = [by_step.get(step, zero) for step in range(self.steps)]
            found[name] = _rows(torch.stack(gradients), 3)
        return found


class CellCalls:
    """Which loop each call of one cell continues."""

    def __init__(
        self,
        name: str,
        cell: nn.RNNCellBase,
        arrived: Callable[[Recorded], float],
        passes: BackwardPasses,
    ) -> None:
        self._name = name
        self._arrived = arrived
        self._passes = passes
        self._cell = cell

    def record(self, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> list[Any]:
        """Add one call to its loop; handles of its hooks, none for a call without gradients."""
        outputs = output if isinstance(output, tuple) else (output,)
        if not outputs[0].requires_grad:
            return []
        inputs = args[0] if args else kwargs["input"]
        given = args[1] if len(args) > 1 else kwargs.get("hx")
        states = given if isinstance(given, tuple) else (given,) * len(outputs)
        loop = self._continued(states)
        if loop is None:
            # The graph saves x for the gradient of W_ih and h for that of W_hh, and then backward()
            # refuses what was written to. Of frozen weights it saves none, under autocast a copy.
            autocast = torch.is_autocast_enabled(inputs.device.type)
            weights = self._cell.weight_ih, self._cell.weight_hh
            guarded = all(weight.requires_grad for weight in weights) and not autocast
            guarded = guarded and type(self._cell).forward in FORWARDS
            begun = _beginning(states, outputs)
            before = origins(self._name, states)
            watcher = self._arrived, self._passes
            loop = CellLoop(self._name, self._cell, *watcher, before, *begun, guarded)
        return loop.add(inputs, outputs)

    def _continued(self, states: Sequence[Tensor | None]) -> CellLoop | None:
        """The loop whose last outputs these states are."""
        loop, step = continues(states)
        if isinstance(loop, CellLoop) and loop.module == self._name and loop.steps == step:
            return loop
        return None


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
