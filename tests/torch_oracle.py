"""The references: torch's own modules and plain autograd on unrolled torch cells, in float64.

Nothing here uses rnndiag's numerics, so that a comparison never compares them with themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

CASES = {
    "rnn-tanh": {"kind": nn.RNN, "nonlinearity": "tanh"},
    "rnn-relu": {"kind": nn.RNN, "nonlinearity": "relu"},
    "gru": {"kind": nn.GRU},
    "lstm": {"kind": nn.LSTM},
    "lstm-projected": {"kind": nn.LSTM, "proj_size": 3},
}
"""The cells that rnndiag measures, as torch modules."""


def make_module(
    case: str, input_size: int = 4, hidden_size: int = 5, seed: int = 0, **options: Any
) -> nn.RNNBase:
    """A torch module in float64, its weights three times the default's so that gates move."""
    torch.manual_seed(seed)
    arguments = {**CASES[case], **options}
    kind = arguments.pop("kind")
    module = kind(input_size, hidden_size, **arguments).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(3.0)
    return module


@dataclass
class UnrolledGradients:
    """Norms by layer and lag, of one loss at the last step."""

    hidden: np.ndarray
    """‖∂L/∂h_{T-k}‖, shape (layers, T + 1, batch)."""

    cell: np.ndarray | None
    """‖∂L/∂c_{T-k}‖, the same shape; of an LSTM only."""


def step_layer(module: nn.RNNBase, layer: int, suffix: str, x, state):
    """One step of one layer by torch.nn.functional-free torch operations: (h,) or (h, c)."""
    p = {name: getattr(module, f"{name}_l{layer}{suffix}") for name in ("weight_ih", "weight_hh")}
    gates_x, gates_h = x @ p["weight_ih"].T, state[0] @ p["weight_hh"].T
    if module.bias:
        gates_x = gates_x + getattr(module, f"bias_ih_l{layer}{suffix}")
        gates_h = gates_h + getattr(module, f"bias_hh_l{layer}{suffix}")
    if isinstance(module, nn.RNN):
        act = torch.tanh if module.nonlinearity == "tanh" else torch.relu
        return (act(gates_x + gates_h),)
    if isinstance(module, nn.GRU):
        xr, xz, xn = gates_x.chunk(3, -1)
        hr, hz, hn = gates_h.chunk(3, -1)
        r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
        return ((1 - z) * torch.tanh(xn + r * hn) + z * state[0],)
    i, f, g, o = (gates_x + gates_h).chunk(4, -1)
    c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
    h = torch.sigmoid(o) * torch.tanh(c)
    if module.proj_size:
        h = h @ getattr(module, f"weight_hr_l{layer}{suffix}").T
    return (h, c)


def unroll(module: nn.RNNBase, inputs, initial, suffix: str = ""):
    """Every state of every layer, as graph nodes with retained gradients.

    inputs (T, B, I); initial[layer] = (h,) or (h, c) of shape (B, ·) each.
    Returns states[layer][t], t = 0 … T; one direction, whose time order is that of `inputs`.
    """
    states = [[tuple(part.clone().requires_grad_() for part in s)] for s in initial]
    for x in inputs:
        below = x
        for layer, history in enumerate(states):
            new = step_layer(module, layer, suffix, below, history[-1])
            for part in new:
                part.retain_grad()
            history.append(new)
            below = new[0]
    return states


def unrolled_gradients(module: nn.RNNBase, inputs, initial, cotangent) -> UnrolledGradients:
    """Back-propagate <cotangent, h_T of the top layer> through the unrolled stack."""
    states = unroll(module, inputs, initial)
    (states[-1][-1][0] * cotangent).sum().backward()

    def norms(part: int) -> np.ndarray:
        return np.array(
            [
                [
                    np.zeros(inputs.shape[1])
                    if s[part].grad is None
                    else s[part].grad.norm(dim=-1).numpy()
                    for s in reversed(history)
                ]
                for history in states
            ]
        )

    lstm = isinstance(module, nn.LSTM)
    return UnrolledGradients(hidden=norms(0), cell=norms(1) if lstm else None)


def initial_states(module: nn.RNNBase, batch: int, seed: int = 1) -> list[tuple[torch.Tensor, ...]]:
    """Gaussian initial states, one tuple per layer."""
    generator = torch.Generator().manual_seed(seed)
    widths = [module.proj_size or module.hidden_size]
    if isinstance(module, nn.LSTM):
        widths.append(module.hidden_size)
    return [
        tuple(torch.randn(batch, w, generator=generator, dtype=torch.float64) for w in widths)
        for _ in range(module.num_layers)
    ]
