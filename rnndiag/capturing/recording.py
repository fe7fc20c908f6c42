"""The object behind `with capture(model) as probe`: hooks while the block runs, a file after it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from rnndiag.capturing.cells import CellCalls
from rnndiag.capturing.modules import record_call
from rnndiag.capturing.norms import GradientNorms
from rnndiag.capturing.sequences import BackwardPasses, Recorded, kept, side_by_side
from rnndiag.containers.safetensors_writer import Array, write_safetensors
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.probe.keys import KIND, LOSS, NORM, NORM_OF, VERSION, VERSION_KEY

NO_NORMS = (
    "rnndiag.capture recorded sequences but no gradient norms: no parameter's .grad was added to. "
    "torch.func.grad and torch.autograd.grad hand gradients back instead; backward() adds them"
)

Loss = TypeVar("Loss", Tensor, float)


class LossScaler(Protocol):
    """What is used of torch.amp.GradScaler."""

    def get_scale(self) -> float:
        """The factor by which the loss is multiplied now."""


class Recording:
    """What `capture` has recorded so far."""

    def __init__(self, model: nn.Module, steps: int, scaler: LossScaler | None) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"capture takes a torch.nn.Module, not {type(model).__name__}")
        self._kept_steps = steps
        self._scaler = scaler
        self._sequences: list[Recorded] = []
        self._losses: list[Tensor] = []
        self._hooks: list[Any] = []
        recurrent = {
            module: name
            for name, module in model.named_modules()
            if isinstance(module, nn.RNNBase | nn.RNNCellBase)
        }
        if not recurrent:
            raise RnndiagError(
                InputCode.NO_RECURRENT_WEIGHTS,
                f"{type(model).__name__} has no nn.RNN, nn.GRU, nn.LSTM or cell",
                "capture a model that has one",
            )
        self._passes = BackwardPasses()
        self._norms = GradientNorms(model, self._scale, self._assign, self._passes)
        for module, name in recurrent.items():
            record = _recorder(name, module, self._arrived, self._passes)
            hook = self._hook(module, record)
            self._hooks.append(module.register_forward_hook(hook, with_kwargs=True))

    def _hook(self, watched: nn.Module, record: Record) -> Callable[..., None]:
        # A plain function, which deepcopy does not copy: a copied model is another one and ignored.
        def called(
            module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any
        ) -> None:
            if module is watched and self._norms.begun < self._kept_steps:
                self._hooks.extend(record(args, kwargs, output))

        return called

    def _scale(self) -> float:
        return 1.0 if self._scaler is None else float(self._scaler.get_scale())

    def _arrived(self, sequence: Recorded) -> float:
        """A sequence's first gradient has come: it is part of the probe from now on."""
        self._sequences.append(sequence)
        return self._scale()

    def _assign(self, step: int) -> None:
        """A parameter's gradient has come, in this step: so belongs what came before it."""
        for sequence in reversed(self._sequences):
            if sequence.step is not None:
                return
            sequence.step = step

    def stop(self) -> None:
        """Remove every hook."""
        for hook in (*self._hooks, *self._norms.handles):
            hook.remove()
        self._hooks.clear()
        self._norms.handles.clear()
        if self._norms.begun:
            self._assign(self._norms.begun - 1)
        if self._passes:
            self._sequences = [each for each in self._sequences if each.trains]

    def require_gradients(self) -> None:
        """Raise RD007 unless a loss gradient has reached a recurrent module."""
        if not self._sequences:
            raise RnndiagError(
                InputCode.USAGE,
                "no loss gradient reached a recurrent layer inside the block",
                "run forward and backward() inside it, not under torch.no_grad()",
            )

    def warn_without_norms(self) -> None:
        """Say why there are none, where sequences were recorded all the same."""
        if not self._norms.begun:
            warnings.warn(NO_NORMS, stacklevel=4)

    @property
    def gradient_norms(self) -> tuple[float, ...]:
        """Norm of the whole parameter gradient of every step, before clipping."""
        return tuple(self._norms.whole())

    def loss(self, value: Loss) -> Loss:
        """Note a loss, which nothing else here can know, and hand it back unchanged."""
        self._losses.append(kept(torch.as_tensor(value)).double())
        return value

    def save(self, path: str) -> None:
        """Write everything to one safetensors file, completely or not at all.

        Raises RnndiagError: RD007 where there is nothing to write, RD008 where it cannot be.
        """
        self.require_gradients()
        by_module: dict[str, list[Recorded]] = {}
        for sequence in self._sequences:
            by_module.setdefault(sequence.module, []).append(sequence)
        metadata = {VERSION_KEY: VERSION}
        arrays: dict[str, Array] = {}
        for module, sequences in by_module.items():
            metadata[f"{KIND}{module}"] = sequences[0].kind
            for name, tensor in side_by_side(sequences).items():
                arrays[f"{module}/{name}"] = _array(tensor)
        arrays[NORM] = _array(torch.tensor(self._norms.whole(), dtype=torch.float64))
        for name, norms in self._norms.of_parameters().items():
            arrays[f"{name}{NORM_OF}"] = _array(torch.tensor(norms, dtype=torch.float64))
        if self._losses:
            arrays[LOSS] = _array(torch.stack([loss.reshape(()) for loss in self._losses]))
        write_safetensors(path, arrays, metadata)


Record = Callable[[tuple[Any, ...], Mapping[str, Any], Any], list[Any]]
"""Arguments and output of one call to the handles of the hooks on its tensors."""


def _recorder(
    name: str,
    module: nn.Module,
    arrived: Callable[[Recorded], float],
    passes: BackwardPasses,
) -> Record:
    if isinstance(module, nn.RNNCellBase):
        return CellCalls(name, module, arrived, passes).record
    assert isinstance(module, nn.RNNBase)
    return lambda args, kwargs, output: record_call(
        name, module, args, kwargs, output, arrived, passes
    )


def _array(tensor: Tensor) -> Array:
    """numpy has no bfloat16: its bits go by another name."""
    dtype = str(tensor.dtype).removeprefix("torch.")
    plain = tensor.contiguous()
    return Array(dtype, (plain.view(torch.int16) if dtype == "bfloat16" else plain).numpy())
