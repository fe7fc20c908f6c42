"""`rnndiag spectrum`."""

from __future__ import annotations

from rnndiag.cli import options as o
from rnndiag.cli.single import Common, run_single


def spectrum(
    checkpoint: o.Checkpoint = None,
    layer: o.Layer = None,
    declared: o.As = None,
    format_name: o.OutputFormat = None,
    output: o.OutputFile = None,
    fail_on: o.FailOnOption = "never",
    verify: o.Verify = False,
    quiet: o.Quiet = False,
) -> int:
    """Eigenvalues of W_hh and of the step Jacobian, and what they do (not) imply."""
    common = Common(checkpoint, layer, declared, format_name, output, fail_on, quiet, verify=verify)
    return run_single("spectrum", common, spectrum=True)
