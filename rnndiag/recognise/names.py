"""What a tensor's name says: PyTorch's parameters, optimizer state, second views."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast

from rnndiag.containers.checkpoint import Checkpoint, StoredTensor
from rnndiag.recognise.layers import Direction

Role = Literal["weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"]

PARAMETER = re.compile(
    r"(?:(?P<module>.*)\.)?"
    r"(?P<role>weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)"
    r"(?P<suffix>_l(?P<layer>0|[1-9][0-9]{0,3})(?P<reverse>_reverse)?)?",
    re.DOTALL,
)
"""nn.RNN, nn.GRU and nn.LSTM number their layers, the cells do not. Numbers end at 9999."""

OPTIMIZER_PARTS = frozenset(
    {
        *("param_groups", "momentum_buffer", "square_avg", "grad_avg", "acc_delta", "prev_grad"),
        *("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "exp_avg_sq_row", "exp_avg_sq_col"),
        *("exp_avg_diff", "exp_inf", "fp32_from_fp16_groups"),
    }
)
"""Keys of the optimizers in torch.optim, Adafactor, Adan and apex; no module calls a weight so."""

STATE_PARTS = frozenset({"step", "sum", "ax", "mu", "eta", "prev", "step_size"})
"""Keys too common to be told by themselves: they count below a `state`, which a state_dict has."""

PARAMETER_KEY = re.compile(r"<key [0-9]+>")
"""A parameter that is a key itself, right below the `state` of the oldest optimizers."""

WRAPPED_STATES = ("state", "slow_state", "fast_state", "base_state")
"""What an optimizer's state_dict calls its states: torch's, and Lookahead's around it."""

SECOND_VIEWS = frozenset({"_flat_weights", "_all_weights", "all_weights", "_flat_weight_refs"})
"""Lists in a pickled nn.RNNBase that hold its parameters a second time."""


@dataclass(frozen=True)
class ParameterName:
    """A standard recurrent parameter's name, taken apart."""

    module: str
    role: Role
    layer: int | None
    """None for a cell, which has no number."""

    direction: Direction

    @property
    def key(self) -> str:
        """Put together again."""
        return join(self.module, f"{self.role}{suffix(self.layer, self.direction)}")


def join(module: str, name: str) -> str:
    """Dotted name of something in a module; a bare module's prefix is empty."""
    return f"{module}.{name}" if module else name


def parent(name: str) -> str:
    """Everything before the last dot, "" where there is none."""
    return name.rpartition(".")[0]


def suffix(layer: int | None, direction: Direction) -> str:
    """`_l0_reverse`, as PyTorch writes it; nothing for a cell."""
    if layer is None:
        return ""
    return f"_l{layer}{'_reverse' if direction == 'reverse' else ''}"


def parse(name: str) -> ParameterName | None:
    """Take a standard parameter's name apart; None for any other name.

    >>> parse("encoder.rnn.weight_hh_l1_reverse")
    ParameterName(module='encoder.rnn', role='weight_hh', layer=1, direction='reverse')
    """
    found = PARAMETER.fullmatch(name)
    if found is None:
        return None
    layer = None if found["layer"] is None else int(found["layer"])
    direction: Direction = "reverse" if found["reverse"] else "forward"
    return ParameterName(found["module"] or "", cast(Role, found["role"]), layer, direction)


def is_optimizer_state(name: str) -> bool:
    """Whether a name belongs to an optimizer, not to a model."""
    parts = name.split(".")
    above, last = parts[:-1], parts[-1]
    return (
        not OPTIMIZER_PARTS.isdisjoint(parts)
        or (last in STATE_PARTS and "state" in above)
        or (above[-1:] == ["state"] and PARAMETER_KEY.fullmatch(last) is not None)
    )


def optimizer_states(checkpoint: Checkpoint) -> tuple[str, ...]:
    """Beginnings of names below which an optimizer keeps its states, whatever it calls them.

    That is `state` beside `param_groups`, as every state_dict of an optimizer has it: Ranger's
    `slow_buffer` and the moving averages of others are copies of weights, and no model's.
    """
    parts = (name.rpartition("param_groups.") for name in (*checkpoint.values, *checkpoint.tensors))
    prefixes = {before for before, found, _ in parts if found and before[-1:] in {"", "."}}
    return tuple(f"{prefix}{key}." for prefix in sorted(prefixes) for key in WRAPPED_STATES)


def is_second_view(name: str) -> bool:
    """Whether a name is a place in a module's own list of its parameters."""
    return not SECOND_VIEWS.isdisjoint(name.split("."))


def model_tensors(checkpoint: Checkpoint) -> dict[str, StoredTensor]:
    """The tensors that are a model's own: no optimizer state, no second views."""
    states = optimizer_states(checkpoint)
    return {
        name: tensor
        for name, tensor in checkpoint.tensors.items()
        if not name.startswith(states) and not is_optimizer_state(name) and not is_second_view(name)
    }
