"""nn.RNN, nn.GRU and nn.LSTM: one call is a whole sequence, padded or packed."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from rnndiag.capturing.lineage import Origin, mark, origins
from rnndiag.capturing.sequences import BackwardPasses, Recorded, kept, running_pass, watched


@dataclass(frozen=True)
class Layout:
    """How one call arranges time and batch."""

    packing: tuple[Tensor, Tensor | None, Tensor | None] | None
    """Batch sizes, sorted and unsorted indices of a packed sequence."""

    batch_first: bool
    batched: bool

    @classmethod
    def of(cls, inputs: Tensor | PackedSequence, batch_first: bool) -> Layout:
        """That of a module's input, which is that of its output."""
        if isinstance(inputs, PackedSequence):
            return cls((inputs[1], inputs[2], inputs[3]), batch_first=False, batched=True)
        return cls(None, batch_first, inputs.dim() == 3)

    def sequence(self, values: Tensor) -> Tensor:
        """Time first and padded with zeros: (steps, batch, width), in the caller's batch order."""
        if self.packing is not None:
            return pad_packed_sequence(PackedSequence(values, *self.packing))[0]
        if not self.batched:
            return values.unsqueeze(1)
        return values.transpose(0, 1) if self.batch_first else values

    def state(self, values: Tensor) -> Tensor:
        """(layers * directions, batch, width)."""
        return values if self.batched else values.unsqueeze(1)

    def lengths(self, inputs_tbi: Tensor) -> Tensor:
        """Of every sequence, shape (batch,)."""
        if self.packing is None:
            return torch.full((inputs_tbi.shape[1],), len(inputs_tbi))
        sizes, _, unsorted = self.packing
        # Sequence i, counted in the order of packing, is in the batch at sizes > i many steps.
        order = torch.arange(int(sizes[0]))
        lengths = (sizes[:, None] > order).sum(dim=0)
        return lengths if unsorted is None else lengths[unsorted.cpu()]


class ModuleCall(Recorded):
    """One call of a module, and the loss gradients that reached its output and final states."""

    def __init__(
        self,
        module: str,
        kind: str,
        arrived: Callable[[Recorded], float],
        passes: BackwardPasses,
        origins: Sequence[Origin],
        width: int,
    ) -> None:
        super().__init__(module, kind, arrived, passes, origins)
        self._width = width
        self._tensors: dict[str, Tensor] = {}
        self._gradients: dict[str, Tensor] = {}

    def tensors(self) -> dict[str, Tensor]:
        """As they were kept; a loss may use the final states alone, and then ∂L/∂y is zero."""
        inputs_tbi = self._tensors["inputs"]
        none = inputs_tbi.new_zeros(*inputs_tbi.shape[:2], self._width)
        return {"dL_dy": none, **self._tensors, **self._gradients}

    def forget(self) -> None:
        """Drop the gradients that have come."""
        self._gradients.clear()

    def keep(self, name: str, tensor: Tensor) -> None:
        """A value of the forward pass."""
        self._tensors[name] = kept(tensor)

    def watch(self, name: str, tensor: Tensor, arrange: Callable[[Tensor], Tensor]) -> Any:
        """Keep the gradient of a tensor when it comes; the handle of the hook."""

        def received(gradient: Tensor | None) -> None:
            if gradient is None:
                return
            if self.latest_pass != running_pass():
                self.announce()
            with torch.no_grad():
                new = kept(arrange(gradient))
                # A graph that is kept may be gone through again: the gradients add up.
                old = self._gradients.get(name)
                self._gradients[name] = new if old is None else old + new

        return watched(tensor, received)


def record_call(
    name: str,
    module: nn.RNNBase,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    output: Any,
    arrived: Callable[[Recorded], float],
    passes: BackwardPasses,
) -> list[Any]:
    """Start a record of one call; handles of its hooks, none for a call without gradients."""
    values, states = output[0], output[1]
    if not _data(values).requires_grad:
        return []
    inputs = args[0] if args else kwargs["input"]
    given = args[1] if len(args) > 1 else kwargs.get("hx")
    layout = Layout.of(inputs, module.batch_first)
    finals = states if isinstance(states, tuple) else (states,)
    initial = given if isinstance(given, tuple) else (given,) * len(finals)
    # What the reverse direction starts from is at the other end of time.
    before = [] if module.bidirectional else origins(name, initial)
    width = _data(values).shape[-1]
    call = ModuleCall(name, module.mode.lower(), arrived, passes, before, width)
    for returned in (_data(values), *finals):
        mark(returned, weakref.ref(call), 0)
    with torch.no_grad():
        inputs_tbi = layout.sequence(_data(inputs))
        call.keep("inputs", inputs_tbi)
        call.keep("lengths", layout.lengths(inputs_tbi))
        for letter, final, start in zip("hc", finals, initial, strict=False):
            end = layout.state(final)
            begin = torch.zeros_like(end) if start is None else layout.state(start)
            call.keep(f"{letter}_0", begin)
            call.keep(f"{letter}_n", end)
    handles = [call.watch("dL_dy", _data(values), layout.sequence)]
    handles += [
        call.watch(f"dL_d{letter}_n", final, layout.state)
        for letter, final in zip("hc", finals, strict=False)
        if final.requires_grad
    ]
    return handles


def _data(values: Tensor | PackedSequence) -> Tensor:
    return values.data if isinstance(values, PackedSequence) else values
