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
    r"(?P<name>.+?)=(?P<cell>rnn|gru|lstm)(?::(?P<activation>[^=:,]*))?"
    r"(?P<options>(?:,(?:input|bias)=[^,]+)*)",
    re.DOTALL,
)
"""A name may hold "=" and "," itself, as Lightning's do: the first reading that fits is taken."""

MISSPELT = re.compile(
    r"(?P<name>[^=]+)=(?P<cell>[^=:,]*)(?::[^=:,]*)?(?P<options>(?:,[^=,]*=[^,]+)*)", re.DOTALL
)
"""The same with words that mean nothing, to say which one."""


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
        raise _misspelt(text)
    cell, activation = found["cell"], found["activation"]
    allowed = ("tanh", "relu") if cell == "rnn" else ("tanh",)
    if activation is not None and activation not in allowed:
        raise usage(
            f"--as {text!r}: no activation {activation!r} for {cell}",
            f"write {' or '.join(f'{cell}:{each}' for each in allowed)}",
        )
    inputs, biases = _options(text, found["options"])
    chosen = cast(Literal["tanh", "relu"] | None, activation)
    return Declaration(found["name"], cast(CellKind, cell), chosen, inputs, biases)


def _misspelt(text: str) -> RnndiagError:
    """What is wrong with a text that is no declaration."""
    found = MISSPELT.fullmatch(text)
    if found is None:
        return usage(f"--as {text!r} cannot be read", f"write --as {FORM}")
    if found["cell"] not in GATES:
        return usage(f"--as {text!r}: no such cell", f"CELL is rnn, gru or lstm in {FORM}")
    return usage(f"--as {text!r}: only input= and bias= may follow the cell", f"write --as {FORM}")


def _options(text: str, options: str) -> tuple[str | None, tuple[str, ...]]:
    """The names after input= and bias=."""
    named = [option.partition("=") for option in options.split(",")[1:]]
    inputs = [name for key, _, name in named if key == "input"]
    biases = [name for key, _, name in named if key == "bias"]
    if len(inputs) > 1 or len(biases) > 2:
        raise usage(f"--as {text!r} names too many", "write one input= and up to two bias=")
    return (inputs[0] if inputs else None), tuple(biases)
