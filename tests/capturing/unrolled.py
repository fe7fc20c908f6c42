"""The reference for a captured probe: ∂L/∂h_t by autograd on unrolled torch cells, in float64.

Nothing of rnndiag runs here. Every sample is unrolled by itself, over its own length, in both
directions, so that nothing of padding or packing can be shared with what is compared.
"""

from __future__ import annotations

import torch
from torch import nn
from torch_oracle import step_layer


def run_direction(module, layer, suffix, inputs, state):
    """States by step of one direction of one layer, each retaining its gradient."""
    history = [tuple(part.clone().requires_grad_() for part in state)]
    for x in inputs:
        new = step_layer(module, layer, suffix, x[None], history[-1])
        for part in new:
            part.retain_grad()
        history.append(new)
    return history


def unroll_sample(module: nn.RNNBase, inputs, initial):
    """One sample (steps, input) through all layers.

    initial[index] of layer and direction; gives histories by index, in the order of each direction,
    and the module's output (steps, directions * width).
    """
    suffixes = ["", "_reverse"] if module.bidirectional else [""]
    below, histories = list(inputs), []
    for layer in range(module.num_layers):
        outputs = []
        for suffix in suffixes:
            order = below if suffix == "" else below[::-1]
            state = initial[len(histories)]
            history = run_direction(module, layer, suffix, order, state)
            histories.append(history)
            found = [h[0][0] for h in history[1:]]
            outputs.append(found if suffix == "" else found[::-1])
        below = [torch.cat(parts) for parts in zip(*outputs, strict=True)]
    return histories, torch.stack(below)


def gradient_norms(histories, part, steps, reverse):
    """‖∂L/∂h_t‖ (part 0) or ‖∂L/∂c_t‖ (1) of one sample: initial, and by position padded with 0."""
    norms = [
        0.0 if state[part].grad is None else float(state[part].grad.norm()) for state in histories
    ]
    by_position = norms[1:][::-1] if reverse else norms[1:]
    return norms[0], by_position + [0.0] * (steps - len(by_position))
