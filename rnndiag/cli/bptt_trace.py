"""`rnndiag bptt-trace`."""

from __future__ import annotations

from typing import Annotated

import typer

from rnndiag.cli import options as o
from rnndiag.cli.requests import TraceOptions
from rnndiag.cli.single import Common, run_single

Exponents = Annotated[
    str,
    typer.Option(
        metavar="K|all",
        help="Leading Lyapunov exponents to measure; more than 1 adds the worst case.",
    ),
]


def bptt_trace(
    checkpoint: o.Checkpoint = None,
    seq_len: o.SeqLen = None,
    batch: o.Batch = 8,
    seed: o.Seed = 0,
    drive: o.Input = "auto",
    batch_first: o.BatchFirst = False,
    initial_state: o.InitialState = "random",
    cotangents: o.Cotangents = 1,
    cotangent: o.Cotangent = None,
    readout: o.Readout = None,
    exponents: Exponents = "1",
    layer: o.Layer = None,
    declared: o.As = None,
    format_name: o.OutputFormat = None,
    output: o.OutputFile = None,
    fail_on: o.FailOnOption = "never",
    verify: o.Verify = False,
    quiet: o.Quiet = False,
    no_progress: o.NoProgress = False,
) -> int:
    """Gradient norm at every lag of back-propagation through time."""
    common = Common(
        checkpoint,
        layer,
        declared,
        format_name,
        output,
        fail_on,
        quiet,
        verify=verify,
        no_progress=no_progress,
    )
    trace = TraceOptions(
        seq_len,
        batch,
        seed,
        drive,
        batch_first,
        initial_state,
        cotangents,
        cotangent,
        exponents,
        readout,
    )
    return run_single("bptt-trace", common, trace=trace)
