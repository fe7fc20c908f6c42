"""What the gradients of a network really do: torch's autograd, float64, its own data and loss.

Nothing here uses rnndiag, so that its verdicts are held against something else.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from trials.network import Network

Floats = NDArray[np.float64]

EXPLODING = 3.0
"""Decades by which a gradient has to grow within its sequence to be called exploding."""

UNDECIDED = 0.3
"""Decades on either side of it in which neither verdict would be wrong; such a network is not
scored."""


def layers_of(module: nn.RNNBase) -> list[nn.RNNBase]:
    """Every layer as a module of its own of the same class, float64, with the same weights."""
    made = []
    for layer in range(module.num_layers):
        width = module.input_size if layer == 0 else module.hidden_size
        options = {"bias": module.bias}
        if isinstance(module, nn.RNN):
            options["nonlinearity"] = module.nonlinearity
        single = type(module)(width, module.hidden_size, **options).double()
        with torch.no_grad():
            for name, parameter in single.named_parameters():
                parameter.copy_(getattr(module, name.replace("_l0", f"_l{layer}")))
        made.append(single)
    return made


@dataclass(frozen=True)
class Unrolled:
    """States of a stack, step by step, as nodes of one graph."""

    hidden: list[list[Tensor]]
    """By layer, h_0 … h_T, each (1, B, H)."""

    def norms(self, loss: Tensor) -> Floats:
        """log10 of the root mean square over the batch of ‖∂loss/∂h_{T-k}‖: (layers, T + 1)."""
        flat = [h for layer in self.hidden for h in layer]
        gradients = torch.autograd.grad(loss, flat, allow_unused=True)
        squares = [0.0 if g is None else float((g**2).sum(-1).mean()) for g in gradients]
        with np.errstate(divide="ignore"):
            logs = 0.5 * np.log10(np.array(squares)).reshape(len(self.hidden), -1)
        return logs[:, ::-1]


def unroll(stack: Sequence[nn.RNNBase], inputs: Tensor) -> Unrolled:
    """Run (T, B, I) from zero states, one call of one layer at a time."""
    batch = inputs.shape[1]
    states, hidden = [], []
    for layer in stack:
        zero = torch.zeros(1, batch, layer.hidden_size, dtype=torch.float64, requires_grad=True)
        states.append((zero, torch.zeros_like(zero)) if isinstance(layer, nn.LSTM) else zero)
        hidden.append([zero])
    for step in inputs:
        below = step[None]
        for number, layer in enumerate(stack):
            _, state = layer(below, states[number])
            # One tensor for what the next step and what the layer above see of h.
            below = state[0] if isinstance(state, tuple) else state
            states[number] = state
            hidden[number].append(below)
    return Unrolled(hidden)


def gradient_curves(network: Network, inputs: Tensor, targets: Tensor) -> Floats:
    """log10 φ_k by layer, relative to the layer's own lag 0: (layers, T + 1).

    φ_k = rms over the batch of ‖∂L/∂h_{T-k}‖, L the loss of the last step alone, k = 0 … T; inf
    where it, or the forward pass, overflows. A layer whose last state no gradient reaches counts
    from the first that one does, and is -inf throughout where none ever arrives.
    """
    whole = copy.deepcopy(network).double().eval()
    with torch.no_grad():
        seen = whole.seen(inputs if whole.task.embedded else inputs.double())
    run = unroll(layers_of(whole.recurrence), seen)
    final = run.hidden[-1][-1][0]
    if not bool(torch.isfinite(final).all()):
        return np.full((len(run.hidden), len(inputs) + 1), np.inf)
    last = targets[-1] if whole.task.every_step else targets
    logs = run.norms(whole.task.loss(whole.readout(final), last))
    logs = np.where(np.isnan(logs), np.inf, logs)
    starts = [next(iter(row[np.isfinite(row)]), 0.0) for row in logs]
    return logs - np.array(starts)[:, None]


def growth(curves: Floats) -> Floats:
    """Largest log10 φ of each layer."""
    return np.max(curves, axis=1)


def label(growths: Sequence[float]) -> bool | None:
    """Whether a network explodes: one of its layers does; None where that is not decided."""
    worst = max(growths)
    if abs(worst - EXPLODING) < UNDECIDED:
        return None
    return bool(worst >= EXPLODING)


def counted(curve: Floats) -> Floats:
    """The curve from the larger of lags 0 and 1: what it drops by at first is the readout's."""
    return curve - max(curve[0], curve[1]) if len(curve) > 1 else curve


def half_life(curve: Floats) -> float | None:
    """Steps in which φ halves: ln 2 / −slope of ln φ from its maximum on; None if it does not."""
    finite = np.flatnonzero(np.isfinite(curve))
    if not len(finite):
        return None
    first, last = int(np.nanargmax(np.where(np.isfinite(curve), curve, -np.inf))), int(finite[-1])
    if last - first < 2:
        return None
    lags = np.arange(first, last + 1)
    slope = float(np.polyfit(lags, curve[first : last + 1] * np.log(10.0), 1)[0])
    return float(np.log(2.0) / -slope) if slope < 0.0 else None


def horizon(curve: Floats, decades: float = 3.0) -> int | None:
    """The last lag at which a thousandth is left; None if it is never crossed for good."""
    if np.isposinf(curve).any():
        return None
    last = int(np.flatnonzero(counted(curve) >= -decades)[-1])
    return None if last == len(curve) - 1 else last
