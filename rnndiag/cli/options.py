"""The options that several commands share, once each; imports nothing heavy, for --help."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

Format = Literal["table", "concise", "json"]
FailOn = Literal["error", "warning", "never"]
DriveName = Literal["auto", "zero", "weak", "normal", "embedding", "onehot"]

Checkpoint = Annotated[
    str | None,
    typer.Argument(
        show_default=False,
        help="Checkpoint to read. Else RNNDIAG_CHECKPOINT, the configured one, or the sample.",
    ),
]
Layer = Annotated[
    str | None, typer.Option(help="Only modules that this glob matches, 'encoder.*'.")
]
As = Annotated[
    list[str] | None,
    typer.Option(
        "--as",
        metavar="NAME=CELL[:ACTIVATION][,input=NAME][,bias=NAME]",
        help="Declare a recurrence that is not recognised, or correct an assumption.",
    ),
]
Optimizer = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="The optimizer's state, where it is in a file of its own."),
]
OutputFormat = Annotated[
    Format | None,
    typer.Option("--format", help="Default: table in a terminal, concise in a pipe."),
]
OutputFile = Annotated[
    str | None, typer.Option("--output", "-o", metavar="FILE", help="Write there, not to stdout.")
]
FailOnOption = Annotated[
    FailOn, typer.Option(help="Exit 1 for findings of this severity or worse.")
]
Readout = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Linear layer in the file through which the loss sees the output."
    ),
]
NoProgress = Annotated[bool, typer.Option("--no-progress", help="No progress bar on stderr.")]
Verify = Annotated[
    bool, typer.Option("--verify", help="Check the archive's checksums; report the file's sha256.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No notices on stderr.")]

SeqLen = Annotated[
    int | None,
    typer.Option(
        min=1, show_default=False, help="Steps to trace. Default: as the file says, else 200."
    ),
]
Batch = Annotated[int, typer.Option(min=1, help="Sequences to average over.")]
Seed = Annotated[int, typer.Option(min=0, help="Of synthetic inputs, states and loss gradients.")]
Input = Annotated[
    str,
    typer.Option(
        "--input",
        metavar="auto|zero|weak|normal|embedding|onehot|FILE",
        help="What drives the network; FILE is .npy, .npz or .safetensors, (T, B, features).",
    ),
]
BatchFirst = Annotated[
    bool, typer.Option("--batch-first", help="The input file is (B, T, features).")
]
InitialState = Annotated[
    str,
    typer.Option(
        metavar="random|zero|FILE",
        help="States to start from; FILE as PyTorch's h_0, for an LSTM .npz of h_0 and c_0.",
    ),
]
Cotangents = Annotated[int, typer.Option(min=1, help="Random loss gradients per sequence.")]
Cotangent = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Loss gradient at the last step, (n, B, hidden)."),
]
