"""What rules look at, and why it may be missing: a rule without it is not applicable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from rnndiag.analysis import FileResult, LayerResult

Measurement = Literal["state map", "trace", "training state", "other weights", "probe"]
"""What has to be measured for a rule, beyond the layers and the health of their weights."""


@dataclass(frozen=True)
class Missing:
    """Why a file's results do not have what a rule looks at."""

    reason: str

    unchecked: bool
    """Whether it is there, or may be, and could not be looked at; else there is no such thing."""


Look = Callable[[FileResult], Missing | None]


@dataclass(frozen=True)
class Need:
    """One thing that a rule looks at."""

    measurement: Measurement | None
    """What to measure for it."""

    missing: Look
    """Why a file's results do not have it; None if they do."""


def _none(reason: str) -> Missing:
    return Missing(reason, unchecked=False)


def _unchecked(reason: str) -> Missing:
    return Missing(reason, unchecked=True)


def _layers(result: FileResult) -> Missing | None:
    return None if result.layers else _unchecked("no layer was measured")


def _traced(wanted: Callable[[LayerResult], bool], otherwise: str) -> Look:
    """Whether a layer of the wanted kind has a trace."""

    def missing(result: FileResult) -> Missing | None:
        fitting = [item for item in result.layers if wanted(item)]
        if not fitting:
            return _layers(result) or _none(otherwise)
        if any(item.trace is not None for item in fitting):
            return None
        reasons = [item.not_measured for item in fitting if item.not_measured]
        return _unchecked(reasons[0] if reasons else "nothing was traced")

    return missing


def _state_map(result: FileResult) -> Missing | None:
    plain = [item for item in result.layers if item.layer.cell == "rnn"]
    if not plain:
        return _layers(result) or _none("no plain RNN")
    spectra = [item.spectrum for item in plain if item.spectrum is not None]
    if any(spectrum.state_map is not None for spectrum in spectra):
        return None
    reasons = [item.not_measured for item in plain if item.not_measured]
    return _unchecked(reasons[0] if reasons else "no spectrum was measured")


def _powers(result: FileResult) -> Missing | None:
    """What takes all eigenvalues, which a large matrix does not get."""
    maps = [item.spectrum.state_map for item in result.layers if item.spectrum is not None]
    if any(found is not None and found.eigenvalue_uncertainty is not None for found in maps):
        return _state_map(result)
    return _state_map(result) or _unchecked("W_hh is too large for all its eigenvalues")


def _other_weights(result: FileResult) -> Missing | None:
    none = "the other tensors were not read: rnndiag check does"
    return _none(none) if result.spoilt is None else None


def _optimizer(result: FileResult) -> Missing | None:
    return _none("no optimizer's state") if result.training_state is None else None


def _gradient_norm(result: FileResult) -> Missing | None:
    state = result.training_state
    if state is None or state.absent is None:
        return _optimizer(result)
    return _none(state.absent)


def _mapped_gradients(result: FileResult) -> Missing | None:
    """Of the weights of at least one layer, and of other parameters to compare them with."""
    state = result.training_state
    if state is None or state.absent is not None:
        return _gradient_norm(result)
    if state.not_mapped is not None:
        return _unchecked(f"whose gradients they are is not known: {state.not_mapped}")
    names = {gradient.name for gradient in state.per_parameter}
    recurrent = {item.layer.keys[0] for item in result.layers}
    both = names & recurrent and names - recurrent
    return None if both else _none("no gradient of W_hh in the file")


def _recorded(result: FileResult) -> Missing | None:
    return _none("no probe") if result.recorded is None else None


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
OTHER_WEIGHTS = Need("other weights", _other_weights)
OPTIMIZER = Need("training state", _optimizer)
GRADIENT_NORM = Need("training state", _gradient_norm)
MAPPED_GRADIENTS = Need("training state", _mapped_gradients)
RECORDED_SERIES = Need("probe", _recorded)
