"""What several rules ask of spectra: plain RNNs' W_hh as a map from state to state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rnndiag.analysis import FileResult, LayerResult

if TYPE_CHECKING:
    from rnndiag.measure.state_map import StateMap


@dataclass(frozen=True)
class Mapped:
    """One layer whose W_hh was measured as a map from state to state."""

    item: LayerResult
    state_map: StateMap

    norm: float
    """The largest singular value of W_hh."""

    radius: float
    """Its largest |λ|."""

    @property
    def label(self) -> str:
        """The layer's."""
        return self.item.layer.label


def mapped(result: FileResult) -> Iterator[Mapped]:
    """Every plain RNN that has a spectrum."""
    for item in result.layers:
        if item.spectrum is None or item.spectrum.state_map is None:
            continue
        (block,) = item.spectrum.blocks
        if block.spectral_radius is not None:
            yield Mapped(item, item.spectrum.state_map, block.spectral_norm, block.spectral_radius)
