"""What `rnndiag.capture` recorded of training steps, read back and matched to a checkpoint."""

from __future__ import annotations

from rnndiag.probe.matching import fitted, with_recorded_activation
from rnndiag.probe.reading import load_probe
from rnndiag.probe.records import Probe, RecordedModule

__all__ = [
    "Probe",
    "RecordedModule",
    "fitted",
    "load_probe",
    "with_recorded_activation",
]
