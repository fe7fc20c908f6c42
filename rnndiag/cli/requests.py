"""From a command's options to what is to be measured."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from rnndiag.cli.configuration import LENGTHS, Table, load
from rnndiag.errors import InputCode, RnndiagError

if TYPE_CHECKING:
    from rnndiag.cells.base import FloatArray
    from rnndiag.cli.options import Tracing
    from rnndiag.given import GivenStates
    from rnndiag.recognise import Declaration
    from rnndiag.task import ConfiguredLengths, TaskLengths
    from rnndiag.tracing import TraceRequest


def trace_request(options: Tracing) -> TraceRequest:
    """Read the files that were named, and check what can be checked without a module."""
    from rnndiag.drives import SYNTHETIC
    from rnndiag.tracing import TraceRequest

    _require_reach(options)
    if options.probe is not None:
        return _recorded(options, options.probe)
    named = options.drive in ("auto", *SYNTHETIC)
    cotangent = None if options.cotangent is None else _single(options.cotangent, "cotangent")
    return TraceRequest(
        seq_len=options.seq_len,
        memory=options.memory,
        batch=options.batch,
        seed=options.seed,
        drive=options.drive if named else "auto",
        inputs_tbi=None if named else _inputs(options.drive, options.batch_first),
        initial=_initial(options.initial_state),
        cotangents=options.cotangents if cotangent is None else len(cotangent),
        cotangent_nbh=cotangent,
        exponents=_exponents(options.exponents),
        readout=options.readout,
    )


BESIDE_PROBE = ("seed", "probe", "exponents", "memory")
"""Fields of Tracing that mean something beside a probe; it holds what all others are about."""


def _recorded(options: Tracing, path: str) -> TraceRequest:
    """A probe says everything by itself; raises RD007 for an option that says otherwise."""
    from rnndiag.probe import load_probe
    from rnndiag.tracing import TraceRequest

    for each in dataclasses.fields(options):
        if each.name not in BESIDE_PROBE and getattr(options, each.name) != each.default:
            name = "input" if each.name == "drive" else each.name.replace("_", "-")
            raise RnndiagError(
                InputCode.USAGE,
                f"--{name} cannot be used with --probe, which holds the sequences themselves",
                f"leave out --{name} or --probe",
            )
    return TraceRequest(
        seed=options.seed,
        memory=options.memory,
        exponents=_exponents(options.exponents),
        probe=load_probe(path),
    )


def _require_reach(options: Tracing) -> None:
    """Raise RD007 for a memory that the sequence is too short for: nobody could see it."""
    memory, seq_len = options.memory, options.seq_len
    if memory is not None and seq_len is not None and memory > seq_len:
        raise RnndiagError(
            InputCode.USAGE,
            f"--memory {memory} is more than the {seq_len} steps of --seq-len",
            "give the length of whole sequences, or leave --seq-len out",
        )


def configured_lengths() -> ConfiguredLengths:
    """What the configuration says of sequence lengths and memory, everywhere and by path."""
    from rnndiag.task import ConfiguredLengths

    configuration = load()
    by_path = configuration.table.get("per-path", {})
    return ConfiguredLengths(
        _lengths(configuration.table),
        tuple((glob, _lengths(table)) for glob, table in by_path.items()),
        str(configuration.folder),
    )


def _lengths(table: Table) -> TaskLengths:
    from rnndiag.task import TaskLengths

    return TaskLengths(**{key.replace("-", "_"): table[key] for key in LENGTHS if key in table})


def declarations(texts: list[str] | None) -> tuple[Declaration, ...]:
    """The --as options, parsed."""
    if not texts:
        return ()
    from rnndiag.recognise import parse_declaration

    return tuple(parse_declaration(text) for text in texts)


def _exponents(text: str | None) -> int | None:
    if text is None:
        return 0
    if text == "all":
        return None
    if text.isascii() and text.isdigit() and len(text) < 7:
        return int(text)
    raise RnndiagError(
        InputCode.USAGE, f"--exponents {text} is no count", "give a number such as 8, or all"
    )


def _inputs(path: str, batch_first: bool) -> FloatArray:
    from rnndiag.containers.folders import is_there
    from rnndiag.drives import SYNTHETIC

    if not is_there(path):
        names = ", ".join(("auto", *SYNTHETIC))
        raise RnndiagError(
            InputCode.USAGE,
            f"--input {path}: no such file, nor one of the inputs that are made up",
            f"those are {names}",
        )
    array = _single(path, "input")
    return array.swapaxes(0, 1) if batch_first else array


def _single(path: str, what: str) -> FloatArray:
    """The one three-dimensional array of a file."""
    from rnndiag.containers.arrays import read_arrays

    arrays = read_arrays(path)
    if len(arrays) > 1:
        raise RnndiagError(
            InputCode.USAGE,
            f"{path} holds the arrays {', '.join(sorted(arrays))}",
            f"give a file with the {what} alone",
        )
    array = next(iter(arrays.values()))
    if array.ndim != 3 or not array.size:
        raise RnndiagError(
            InputCode.USAGE,
            f"the {what} in {path} has shape {array.shape}",
            "three dimensions are needed, none of them empty: "
            + ("(steps, batch, features)" if what == "input" else "(n, batch, hidden)"),
        )
    return array


def _initial(choice: str) -> GivenStates | None:
    from rnndiag.containers.arrays import read_arrays
    from rnndiag.containers.folders import is_there
    from rnndiag.given import GivenStates

    if choice == "random":
        return None
    if choice == "zero":
        return GivenStates.zero()
    if not is_there(choice):
        raise RnndiagError(
            InputCode.USAGE, f"--initial-state {choice} is no file", "give random, zero or a file"
        )
    return GivenStates.from_arrays(read_arrays(choice))
