"""`rnndiag suggest`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rnndiag.cli.groups import spread
from rnndiag.cli.options import Checkpoint, FailOnOption, Output, Reading, Selecting, Tracing
from rnndiag.cli.single import run_single

if TYPE_CHECKING:
    from rnndiag.advice import AdviceRequest


Framework = Literal["torch", "lightning", "transformers"]


@dataclass(frozen=True)
class Advising:
    """What advice is wanted, and what is known beyond the file."""

    bias: Annotated[
        float,
        typer.Option(
            min=0.001, max=0.999, help="Relative bias of the truncated gradient to accept."
        ),
    ] = 0.1
    tbptt: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="K",
            show_default=False,
            help="Steps that are propagated through now, to be judged. Default: as the file says.",
        ),
    ] = None
    norms: Annotated[
        str | None,
        typer.Option(
            metavar="FILE[:COLUMN]",
            help="Gradient norms logged while training, by any usual logger: csv, JSON, text, npy.",
        ),
    ] = None
    framework: Annotated[
        Framework, typer.Option("--for", help="What the code to paste is written for.")
    ] = "torch"

    def request(self) -> AdviceRequest:
        """Read the files that were named."""
        from rnndiag.advice import AdviceRequest
        from rnndiag.containers.norms import LoggedNorms, read_norms

        logged = LoggedNorms(()) if self.norms is None else read_norms(self.norms)
        return AdviceRequest(
            self.bias,
            logged_norms=logged.norms,
            logged_as=logged.column,
            framework=self.framework,
            truncation=self.tbptt,
        )


@spread
def suggest(
    advising: Advising,
    tracing: Tracing,
    reading: Reading,
    selecting: Selecting,
    output: Output,
    checkpoint: Checkpoint = None,
    fail_on: FailOnOption = "never",
) -> int:
    """A clip value and a truncation length with their evidence, and code to paste."""
    advice = advising.request()
    return run_single(
        "suggest", checkpoint, reading, selecting, output, fail_on, trace=tracing, advice=advice
    )
