"""`rnndiag inspect`."""

from __future__ import annotations

from rnndiag.cli import options as o
from rnndiag.cli.single import Common, run_single


def inspect(
    checkpoint: o.Checkpoint = None,
    layer: o.Layer = None,
    declared: o.As = None,
    optimizer: o.Optimizer = None,
    format_name: o.OutputFormat = None,
    output: o.OutputFile = None,
    fail_on: o.FailOnOption = "never",
    verify: o.Verify = False,
    quiet: o.Quiet = False,
) -> int:
    """What is in the file: recurrent layers, weight health, training state."""
    common = Common(
        checkpoint, layer, declared, format_name, output, fail_on, quiet, optimizer, verify=verify
    )
    return run_single("inspect", common)
