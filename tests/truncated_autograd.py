"""The reference for truncation: torch.autograd through unrolled cells that are detached.

One run per length, nothing shared between them, nothing of rnndiag's.
"""

from __future__ import annotations

import numpy as np
import torch
from torch_oracle import step_layer


def states_before(module, inputs, initial):
    """Detached states[t][layer] that step t + 1 starts from, t = 0 … T."""
    states = [list(initial)]
    with torch.no_grad():
        for x in inputs:
            states.append(step_all(module, x, states[-1]))
    return states


def step_all(module, x, states):
    """One step of the whole stack."""
    new, below = [], x
    for layer, state in enumerate(states):
        new.append(step_layer(module, layer, "", below, state))
        below = new[-1][0]
    return new


def truncated_gradient(module, inputs, states, step, cotangent, lags):
    """Gradient of <cotangent, h> at a step (from 1) of the top, detached so many steps before it.

    All parameters of all layers as one vector. `cotangent` is zero for samples that do not count.
    """
    first = max(0, step - lags)
    current = [tuple(part.detach() for part in state) for state in states[first]]
    for x in inputs[first:step]:
        current = step_all(module, x, current)
    parameters = list(module.parameters())
    parts = torch.autograd.grad(
        (current[-1][0] * cotangent).sum(), parameters, allow_unused=True, materialize_grads=True
    )
    return torch.cat([part.flatten() for part in parts]).numpy()


def truncated_gradients(module, inputs, initial, step, cotangent, lengths):
    """By length: one run each."""
    states = states_before(module, inputs, initial)
    return np.array(
        [truncated_gradient(module, inputs, states, step, cotangent, n) for n in lengths]
    )


def bias_and_cosine(truncated, whole):
    """‖ĝ − g‖/‖g‖ and the cosine of gradients (lengths, parameters) with one, or of many samples.

    Of many, (samples, lengths, parameters) with (samples, parameters): root mean squares.
    """
    size = lambda vectors: np.sqrt((vectors**2).sum(axis=(0, -1)))
    if truncated.ndim == 2:
        truncated, whole = truncated[None], whole[None]
    along = (truncated * whole[:, None]).sum(axis=(0, -1))
    norms = size(truncated) * size(whole)
    return size(truncated - whole[:, None]) / size(whole), along / norms
