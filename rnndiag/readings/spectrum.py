"""What one layer's spectrum implies, and what it does not."""

from __future__ import annotations

from collections.abc import Mapping

from rnndiag.measure.spectrum import Spectrum
from rnndiag.readings.settling import read_rates, read_settling
from rnndiag.readings.state_map import read_state_map
from rnndiag.recognise.layers import RecurrentLayer


def read_spectrum(
    layer: RecurrentLayer, spectrum: Spectrum, limits: Mapping[str, float]
) -> list[str]:
    """The sentences under one layer's spectrum, at the rules' `limits` in force, by code."""
    state_map = spectrum.state_map
    if state_map is not None:
        block, order = spectrum.blocks[0], layer.hidden_size
        weights = list(read_state_map(layer.activation, block, state_map, order, limits))
    else:
        weights = [GATES]
    return [
        *weights,
        *read_settling(spectrum.settling),
        *read_rates(spectrum.settling, spectrum.along),
        TRACE_DECIDES,
    ]


GATES = (
    "A gate's block of W_hh maps h to a gate, not to the next state: its norm says how "
    "strongly the gate answers to h, and its eigenvalues say nothing about memory."
)

TRACE_DECIDES = (
    "None of this is your data. What gradients do on inputs is measured by "
    "`rnndiag bptt-trace`; where the two differ, believe the trace."
)
