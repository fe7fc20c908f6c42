"""rnndiag's cells with the weights of a torch module."""

from __future__ import annotations

import numpy as np
import torch

from rnndiag.cells import CELLS, LayerWeights


def cells_of(module):
    """cells[depth][direction] of a torch module in float64."""
    kind = type(module).__name__.lower()
    directions = ["", "_reverse"] if module.bidirectional else [""]
    return [
        [CELLS[kind](_weights(module, kind, f"l{depth}{side}")) for side in directions]
        for depth in range(module.num_layers)
    ]


def _weights(module, kind, suffix):
    get = lambda name: getattr(module, f"{name}_{suffix}").detach().numpy()
    rows = len(get("weight_hh"))
    return LayerWeights(
        get("weight_ih"),
        get("weight_hh"),
        get("bias_ih") if module.bias else np.zeros(rows),
        get("bias_hh") if module.bias else np.zeros(rows),
        get("weight_hr") if module.proj_size else None,
        module.nonlinearity if kind == "rnn" else "tanh",
    )


def random_states(module, batch, seed=1):
    """Gaussian states [depth][direction] of shape (batch, state), as the rollout takes them."""
    rng = np.random.default_rng(seed)
    width = (module.proj_size or module.hidden_size) + (
        module.hidden_size if isinstance(module, torch.nn.LSTM) else 0
    )
    sides = 2 if module.bidirectional else 1
    return [
        [rng.standard_normal((batch, width)) for _ in range(sides)]
        for _ in range(module.num_layers)
    ]


def torch_states(module, states):
    """The same as h_0, or (h_0, c_0), of shape (layers * directions, batch, width)."""
    joined = torch.from_numpy(np.stack([side for sides in states for side in sides]))
    width = module.proj_size or module.hidden_size
    h_0, c_0 = joined[..., :width].contiguous(), joined[..., width:].contiguous()
    return (h_0, c_0) if isinstance(module, torch.nn.LSTM) else h_0


def states_of(run):
    """s_0 … s_T of a run, (steps + 1, batch, state)."""
    return np.concatenate([run.starts[0][None], *(part.states_tbs[1:] for part in run.chunks())])


def preactivations_of(run):
    """Those of every step, (steps, batch, preactivation_size)."""
    return np.concatenate([part.preactivations_tbg for part in run.chunks()])
