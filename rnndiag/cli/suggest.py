"""`rnndiag suggest`."""

from __future__ import annotations

from typing import Annotated

import typer

from rnndiag.cli import options as o
from rnndiag.cli.requests import TraceOptions
from rnndiag.cli.single import Common, run_single

Bias = Annotated[
    float,
    typer.Option(min=0.001, max=0.999, help="Relative bias of the truncated gradient to accept."),
]
Norms = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="Gradient norms logged while training: one a line, csv or jsonl."
    ),
]


def suggest(
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
    bias: Bias = 0.1,
    norms: Norms = None,
    layer: o.Layer = None,
    declared: o.As = None,
    optimizer: o.Optimizer = None,
    format_name: o.OutputFormat = None,
    output: o.OutputFile = None,
    fail_on: o.FailOnOption = "never",
    verify: o.Verify = False,
    quiet: o.Quiet = False,
    no_progress: o.NoProgress = False,
) -> int:
    """A clip value and a truncation length with their evidence, and code to paste."""
    common = Common(
        checkpoint,
        layer,
        declared,
        format_name,
        output,
        fail_on,
        quiet,
        optimizer,
        verify,
        no_progress,
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
        readout=readout,
    )
    from rnndiag.advice import AdviceRequest
    from rnndiag.containers.norms import read_norms

    request = AdviceRequest(bias, () if norms is None else read_norms(norms))
    return run_single("suggest", common, trace=trace, advice=request)
