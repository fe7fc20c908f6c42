"""The text after `--as`: a recurrence that names do not give away, or a corrected assumption."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Literal, cast

from rnndiag.errors import InputCode, RnndiagError
from rnndiag.recognise.layers import GATES, CellKind

FORM = "NAME=CELL[:activation][,input=NAME][,bias=NAME]"

DECLARATION = re.compile(
    r"(?P<name>.+?)=(?P<cell>[^=:,]*)(?::(?P<activation>[^=:,]*))?(?P<options>(?:,[^=,]*=[^,]+)*)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Declaration:
    """What a user says of one recurrent matrix."""

    name: str
    """The recurrent matrix: a tensor's full name, or a glob."""

    cell: CellKind

    activation: Literal["tanh", "relu"] | None = None
    """Of a plain RNN; None where the user left it open."""

    input_name: str | None = None
    """The input matrix; None asks for it to be found."""

    bias_names: tuple[str, ...] = ()
    """At most two; none asks for them to be found."""

    def __str__(self) -> str:
        activation = f":{self.activation}" if self.activation else ""
        inputs = f",input={self.input_name}" if self.input_name else ""
        return f"{self.name}={self.cell}{activation}{inputs}" + "".join(
            f",bias={name}" for name in self.bias_names
        )


def usage(what: str, remedy: str) -> RnndiagError:
    """A declaration that cannot be followed."""
    return RnndiagError(InputCode.USAGE, what, remedy)


def as_line(text: object) -> str:
    """The option to type, quoted for a shell.

    >>> as_line("cell.weight_hh=rnn:relu")
    '--as cell.weight_hh=rnn:relu'
    """
    return f"--as {shlex.quote(str(text))}"


def parse_declaration(text: str) -> Declaration:
    """Read the text after `--as`. Raises RnndiagError with the right form.

    >>> parse_declaration("h2h.weight=rnn:relu,input=i2h.weight").input_name
    'i2h.weight'
    """
    found = DECLARATION.fullmatch(text)
    if found is None:
        raise usage(f"--as {text!r} cannot be read", f"write --as {FORM}")
    cell, activation = found["cell"], found["activation"]
    if cell not in GATES:
        raise usage(f"--as {text!r}: no cell {cell!r}", f"CELL is rnn, gru or lstm in {FORM}")
    allowed = ("tanh", "relu") if cell == "rnn" else ("tanh",)
    if activation is not None and activation not in allowed:
        raise usage(
            f"--as {text!r}: no activation {activation!r} for {cell}",
            f"write {' or '.join(f'{cell}:{each}' for each in allowed)}",
        )
    inputs, biases = _options(text, found["options"])
    chosen = cast(Literal["tanh", "relu"] | None, activation)
    return Declaration(found["name"], cast(CellKind, cell), chosen, inputs, biases)


def _options(text: str, options: str) -> tuple[str | None, tuple[str, ...]]:
    """The names after input= and bias=."""
    inputs: list[str] = []
    biases: list[str] = []
    for option in options.split(",")[1:]:
        key, _, name = option.partition("=")
        if key not in {"input", "bias"}:
            raise usage(f"--as {text!r}: no option {key!r}", f"write --as {FORM}")
        (inputs if key == "input" else biases).append(name)
    if len(inputs) > 1 or len(biases) > 2:
        raise usage(
            f"--as {text!r} names too many", "one input= and at most two bias= are possible"
        )
    return (inputs[0] if inputs else None), tuple(biases)
