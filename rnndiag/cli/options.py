"""The options of the commands, each declared once; imports nothing heavy, for --help."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from rnndiag.analysis import Request
    from rnndiag.progress import Progress
    from rnndiag.report import Setting
    from rnndiag.rules import Judging
    from rnndiag.tracing import TraceRequest

Format = Literal["table", "concise", "html", "json", "markdown", "csv", "sarif", "github", "junit"]
FailOn = Literal["error", "warning", "never"]

Checkpoint = Annotated[
    str | None,
    typer.Argument(
        show_default=False,
        help="Checkpoint to read. Else RNNDIAG_CHECKPOINT, the configured one, or the sample.",
    ),
]
FailOnOption = Annotated[
    FailOn, typer.Option(help="Exit 1 for findings of this severity or worse.")
]
GateFailOnOption = Annotated[
    FailOn,
    typer.Option(envvar="RNNDIAG_FAIL_ON", help="Exit 1 for findings of this severity or worse."),
]
"""Of `check`: who looks at a file with another command has not asked for a gate."""


@dataclass(frozen=True)
class Tracing:
    """How to trace gradients through time."""

    seq_len: Annotated[
        int | None,
        typer.Option(
            min=1,
            envvar="RNNDIAG_SEQ_LEN",
            show_default=False,
            help="Steps of your sequences, to trace. Default: as the file or a configuration "
            "beside it says, else 200 is assumed.",
        ),
    ] = None
    memory: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            envvar="RNNDIAG_MEMORY",
            show_default=False,
            help="Steps that the task has to remember: a warning (RD302) if the gradient does not "
            "reach so far back.",
        ),
    ] = None
    batch: Annotated[
        int, typer.Option(min=1, envvar="RNNDIAG_BATCH", help="Sequences to average over.")
    ] = 8
    seed: Annotated[
        int,
        typer.Option(
            min=0,
            envvar="RNNDIAG_SEED",
            help="Of synthetic inputs, states and loss gradients.",
        ),
    ] = 0
    drive: Annotated[
        str,
        typer.Option(
            "--input",
            metavar="auto|generated|zero|weak|normal|smooth|embedding|onehot|FILE",
            help="What drives the network; FILE is .npy, .npz or .safetensors, (T, B, features).",
        ),
    ] = "auto"
    batch_first: Annotated[
        bool, typer.Option("--batch-first", help="The input file is (B, T, features).")
    ] = False
    probe: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Inputs, states and loss gradients that rnndiag.capture recorded, in place of "
            "--input, --initial-state and --cotangent.",
        ),
    ] = None
    initial_state: Annotated[
        str,
        typer.Option(
            metavar="random|zero|FILE",
            help="States to start from; FILE as PyTorch's h_0, for an LSTM .npz of h_0 and c_0.",
        ),
    ] = "random"
    cotangents: Annotated[int, typer.Option(min=1, help="Random loss gradients per sequence.")] = 1
    cotangent: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Loss gradient at the last step, (n, B, hidden)."),
    ] = None
    readout: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Linear layer in the file through which the loss sees the output.",
        ),
    ] = None
    exponents: Annotated[
        str | None,
        typer.Option(
            metavar="K|all",
            show_default=False,
            help="Leading Lyapunov exponents to measure; more than 1 adds the worst case. "
            "Default: 1 in bptt-trace, else 0.",
        ),
    ] = None

    def with_exponents(self, default: str) -> Tracing:
        """The same, with this many exponents where none were asked for."""
        return self if self.exponents is not None else dataclasses.replace(self, exponents=default)

    def request(self) -> TraceRequest:
        """Read the files that were named; raises RD007 for what is none, or does not fit."""
        from rnndiag.cli.requests import trace_request

        return trace_request(self)

    def settings(self) -> dict[str, Setting]:
        """As they stand in the report."""
        from rnndiag.cli.requests import configured_lengths

        typed = dataclasses.asdict(self)
        everywhere = dataclasses.asdict(configured_lengths().everywhere)
        configured = {key: value for key, value in everywhere.items() if typed[key] is None}
        return {"input": typed.pop("drive"), **typed, **configured}


@dataclass(frozen=True)
class Reading:
    """What of a file is looked at, and how it is read."""

    layer: Annotated[
        str | None, typer.Option(help="Only modules that this glob matches, 'encoder.*'.")
    ] = None
    declared: Annotated[
        list[str] | None,
        typer.Option(
            "--as",
            metavar="NAME=CELL[:ACTIVATION][,input=NAME][,bias=NAME]",
            help="Declare a recurrence that is not recognised, or correct an assumption.",
        ),
    ] = None
    optimizer: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="The optimizer's state, where it is in a file of its own."
        ),
    ] = None
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Check the archive's checksums; report the file's sha256."),
    ] = False

    def request(
        self,
        progress: Progress,
        spectrum: bool = False,
        trace: TraceRequest | None = None,
        judging: Judging | None = None,
        whole_file: bool = False,
    ) -> Request:
        """What to measure, for rules as much as they need; raises RD007 for a bad declaration."""
        from rnndiag.analysis import Request
        from rnndiag.cli.requests import configured_lengths, declarations

        return Request(
            spectrum=spectrum,
            state_map=judging is not None and judging.needs("state map"),
            trace=trace,
            training_state=judging is None
            or self.optimizer is not None
            or judging.needs("training state"),
            other_weights=whole_file or (judging is not None and judging.needs("other weights")),
            layer=self.layer,
            declarations=declarations(self.declared),
            optimizer=self.optimizer,
            verify=self.verify,
            lengths=configured_lengths(),
            progress=progress,
        )

    def settings(self) -> dict[str, Setting]:
        """As they stand in the report."""
        return {"layer": self.layer, "optimizer": self.optimizer}


@dataclass(frozen=True)
class Selecting:
    """Which rules judge: RD301, or RD3 for all that begin so; several with commas."""

    select: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CODES",
            envvar="RNNDIAG_SELECT",
            show_default=False,
            help="These rules. Default: all.",
        ),
    ] = None
    extend_select: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CODES",
            envvar="RNNDIAG_EXTEND_SELECT",
            show_default=False,
            help="These beyond the selected ones.",
        ),
    ] = None
    ignore: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CODES",
            envvar="RNNDIAG_IGNORE",
            show_default=False,
            help="Not these, unless a longer code selects one.",
        ),
    ] = None

    def judging(self) -> Judging:
        """The rules for every file; raises RD007 for a code that is none."""
        from rnndiag.cli.judging import judging

        return judging(self)

    def settings(self) -> dict[str, Setting]:
        """As they stand in the report."""
        given = dataclasses.asdict(self).items()
        return {name: None if codes is None else ",".join(codes) for name, codes in given}


@dataclass(frozen=True)
class Output:
    """Where the report goes and what it looks like."""

    format_name: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="Default: table in a terminal, concise in a pipe. csv is bptt-trace's; sarif, "
            "github and junit are check's; report has html and json.",
        ),
    ] = None
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write there, not to stdout; - is stdout."
        ),
    ] = None
    also: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FORMAT=FILE",
            show_default=False,
            help="The same report in this format, too, to that file. May be repeated.",
        ),
    ] = None
    plot: Annotated[
        str | None,
        typer.Option(
            "--plot", metavar="FILE.{png,svg,pdf}", help="Draw a picture there, with matplotlib."
        ),
    ] = None
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No notices on stderr.")] = False
    no_progress: Annotated[
        bool, typer.Option("--no-progress", help="No progress bar on stderr.")
    ] = False

    @property
    def to_stdout(self) -> bool:
        """Whether no file is named."""
        return self.output in {None, "-"}

    @property
    def silent(self) -> bool:
        """Whether nothing is to be said while measuring."""
        return self.quiet or self.no_progress
