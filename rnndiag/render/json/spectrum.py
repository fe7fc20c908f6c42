"""What `spectrum` says of one layer, as JSON."""

from __future__ import annotations

import numpy as np

from rnndiag.measure.fixed_point import StepJacobian
from rnndiag.measure.spectrum import BlockSpectrum, Spectrum
from rnndiag.render.json.plain import Object


def show(spectrum: Spectrum) -> Object:
    """The keys of a layer's `spectrum`; those of the map from state to state are null for gates."""
    state_map = spectrum.state_map
    push = spectrum.settling.after_push
    return {
        "blocks": [_block(block) for block in spectrum.blocks],
        "jacobian": _jacobian(spectrum.settling.jacobian),
        "after_perturbation": None if push is None else _jacobian(push),
        "henrici": state_map and state_map.henrici,
        "orthogonality_error": state_map and state_map.orthogonality_error,
        "transient_growth": state_map and state_map.transient_growth,
        "transient_growth_step": state_map and state_map.transient_growth_step,
        "transient_growth_scaled": None,
        "transient_growth_scaled_capped": None,
        "scaled_norm": None,
        "certified_contracting": state_map and state_map.certified_contracting,
        "eigenvalue_uncertainty": state_map and state_map.eigenvalue_uncertainty,
    }


def _block(block: BlockSpectrum) -> Object:
    return {
        "block": block.block,
        "spectral_norm": block.spectral_norm,
        "spectral_radius": block.spectral_radius,
        "gain": block.gain,
        "eigenvalues": None if block.eigenvalues is None else _pairs(block.eigenvalues),
    }


def _jacobian(jacobian: StepJacobian) -> Object:
    return {
        "at": jacobian.at,
        "stable": jacobian.stable,
        "spectral_radius": jacobian.spectral_radius,
        "spectral_norm": jacobian.spectral_norm,
        "eigenvalues": _pairs(jacobian.eigenvalues) if jacobian.at != "none" else None,
        "time_constant": jacobian.time_constant,
        "period": jacobian.period,
        "largest_state": jacobian.largest_state,
    }


def _pairs(values: np.ndarray) -> list[list[float]]:
    return [[float(value.real), float(value.imag)] for value in values]
