"""What rules look at, and why it may be missing: a rule without it is not applicable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from rnndiag.analysis import FileResult, LayerResult

Measurement = Literal["state map", "trace", "training state"]
"""What has to be measured for a rule, beyond the layers and the health of their weights."""


@dataclass(frozen=True)
class Need:
    """One thing that a rule looks at."""

    measurement: Measurement | None
    """What to measure for it."""

    missing: Callable[[FileResult], str | None]
    """Why a file's results do not have it; None if they do."""


def _layers(result: FileResult) -> str | None:
    return None if result.layers else "no layer was measured"


def _traced(
    wanted: Callable[[LayerResult], bool], otherwise: str
) -> Callable[[FileResult], str | None]:
    """Whether a layer of the wanted kind has a trace."""

    def missing(result: FileResult) -> str | None:
        fitting = [item for item in result.layers if wanted(item)]
        if not fitting:
            return otherwise if result.layers else "no layer was measured"
        if any(item.trace is not None for item in fitting):
            return None
        return next(filter(None, (item.not_measured for item in fitting)), "nothing was traced")

    return missing


def _state_map(result: FileResult) -> str | None:
    plain = [item for item in result.layers if item.layer.cell == "rnn"]
    if not plain:
        return "no plain RNN" if result.layers else "no layer was measured"
    spectra = [item.spectrum for item in plain if item.spectrum is not None]
    if any(spectrum.state_map is not None for spectrum in spectra):
        return None
    return next(filter(None, (item.not_measured for item in plain)), "no spectrum was measured")


def _powers(result: FileResult) -> str | None:
    """What takes all eigenvalues, which a large matrix does not get."""
    maps = [item.spectrum.state_map for item in result.layers if item.spectrum is not None]
    small = any(found is not None and found.eigenvalue_uncertainty is not None for found in maps)
    return _state_map(result) or (None if small else "W_hh is too large for all its eigenvalues")


def _optimizer(result: FileResult) -> str | None:
    return "no optimizer's state" if result.training_state is None else None


def _gradient_norm(result: FileResult) -> str | None:
    state = result.training_state
    return _optimizer(result) if state is None else state.absent


def _mapped_gradients(result: FileResult) -> str | None:
    """Of the weights of at least one layer, and of other parameters to compare them with."""
    state = result.training_state
    if state is None or state.absent is not None:
        return _gradient_norm(result)
    if state.not_mapped is not None:
        return f"whose gradients they are is not known: {state.not_mapped}"
    names = {gradient.name for gradient in state.per_parameter}
    recurrent = {item.layer.keys[0] for item in result.layers}
    return None if names & recurrent and names - recurrent else "no gradient of W_hh in the file"


NOTHING = Need(None, lambda _: None)
LAYERS = Need(None, _layers)
STATE_MAP = Need("state map", _state_map)
POWERS = Need("state map", _powers)
TRACE = Need("trace", _traced(lambda item: True, ""))
TANH_TRACE = Need(
    "trace", _traced(lambda item: item.layer.activation == "tanh", "no layer with tanh")
)
GATED_TRACE = Need("trace", _traced(lambda item: item.layer.cell != "rnn", "no gated layer"))
LSTM_TRACE = Need("trace", _traced(lambda item: item.layer.cell == "lstm", "no LSTM"))
OPTIMIZER = Need("training state", _optimizer)
GRADIENT_NORM = Need("training state", _gradient_norm)
MAPPED_GRADIENTS = Need("training state", _mapped_gradients)
