"""What `spectrum` says of one layer, as JSON."""

from __future__ import annotations

import numpy as np

from rnndiag.measure.fixed_point import StepJacobian
from rnndiag.measure.spectrum import BlockSpectrum, Spectrum
from rnndiag.measure.state_map import StateMap
from rnndiag.render.json.plain import Object


def show(spectrum: Spectrum) -> Object:
    """The keys of a layer's `spectrum`; those of the map from state to state are null for gates."""
    push = spectrum.settling.after_push
    return {
        "blocks": [_block(block) for block in spectrum.blocks],
        "jacobian": _jacobian(spectrum.settling.jacobian),
        "after_perturbation": None if push is None else _jacobian(push),
        **_state_map(spectrum.state_map),
        "along_trajectory": [
            {
                "drive": rate.drive,
                "steps": rate.steps,
                "rate_per_step": rate.rate,
                "standard_error": rate.standard_error,
            }
            for rate in spectrum.along
        ],
    }


def _state_map(state_map: StateMap | None) -> Object:
    powers = state_map and state_map.powers
    scaled = state_map and state_map.scaled_powers
    return {
        "henrici": state_map and state_map.henrici,
        "orthogonality_error": state_map and state_map.orthogonality_error,
        "transient_growth": powers and powers.growth,
        "transient_growth_step": powers and powers.step,
        "transient_growth_capped": powers and powers.capped,
        "transient_growth_scaled": scaled and scaled.growth,
        "transient_growth_scaled_step": scaled and scaled.step,
        "transient_growth_scaled_capped": scaled and scaled.capped,
        "largest_power": scaled and scaled.last,
        "scaled_norm": state_map and state_map.scaled_norm.value,
        "scaled_norm_condition": state_map and state_map.scaled_norm.condition,
        "certified_contracting": state_map and state_map.certified_contracting,
        "eigenvalue_uncertainty": state_map and state_map.eigenvalue_uncertainty,
    }


def _block(block: BlockSpectrum) -> Object:
    leading = block.leading
    return {
        "block": block.block,
        "spectral_norm": block.spectral_norm,
        "norm_method": block.norm.method,
        "norm_tolerance": block.norm.tolerance,
        "spectral_radius": block.spectral_radius,
        "radius_method": leading and leading.method,
        "radius_residual": leading and leading.residual,
        "gain": block.gain,
        "eigenvalues": None if block.eigenvalues is None else _pairs(block.eigenvalues),
    }


def _jacobian(jacobian: StepJacobian) -> Object:
    leading = jacobian.leading
    return {
        "at": jacobian.at,
        "stable": jacobian.stable,
        "settled": jacobian.settled,
        "one_sided": jacobian.one_sided,
        "spectral_radius": jacobian.spectral_radius,
        "spectral_norm": jacobian.spectral_norm,
        "norm_method": jacobian.norm_method,
        "eigenvalues": None if leading is None else _pairs(leading.values),
        "method": leading and leading.method,
        "residual": leading and leading.residual,
        "time_constant": jacobian.time_constant,
        "period": jacobian.period,
        "modes": [
            {
                "eigenvalue": [mode.eigenvalue.real, mode.eigenvalue.imag],
                "time_constant": mode.time_constant,
                "period": mode.period,
            }
            for mode in jacobian.modes
        ],
        "largest_state": jacobian.largest_state,
    }


def _pairs(values: np.ndarray) -> list[list[float]]:
    return [[float(value.real), float(value.imag)] for value in values]
