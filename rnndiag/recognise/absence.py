"""What to say when a file holds no recurrent weights that could be measured."""

from __future__ import annotations

from collections.abc import Sequence

from rnndiag.containers.checkpoint import Checkpoint, StoredTensor
from rnndiag.containers.folders import is_file
from rnndiag.containers.standard_input import NAME as STANDARD_INPUT
from rnndiag.errors import Content, InputCode, RnndiagError
from rnndiag.recognise.declare import FORM
from rnndiag.recognise.layers import Recognition, Unrecognised
from rnndiag.recognise.listing import listed
from rnndiag.recognise.lookalikes import RECURRENT, RNN_MODULE
from rnndiag.recognise.names import model_tensors
from rnndiag.recognise.proposals import DECLARABLE
from rnndiag.recognise.slots import cell_by_shape
from rnndiag.recognise.unread import unread


def explain_absence(checkpoint: Checkpoint, recognition: Recognition) -> RnndiagError:
    """The error for a file without recurrent weights, naming what comes nearest."""
    gaps = unread(checkpoint.skipped)
    if gaps:
        return _unread(list(gaps.values()), checkpoint)
    tensors = model_tensors(checkpoint)
    if not tensors:
        return _empty(checkpoint)
    if list(tensors) == [""]:
        return _bare(tensors[""].shape)
    if recognition.unrecognised:
        return _unmeasured(recognition.unrecognised, checkpoint)
    keys = sorted(tensors, key=lambda name: -_likeness(name, tensors[name]))
    return RnndiagError(
        InputCode.NO_RECURRENT_WEIGHTS,
        f"no recurrent weights found{_object(checkpoint)}; keys are {listed(keys)}"
        f"{_wanted(checkpoint)}",
        _beside(checkpoint) or "name one with --as NAME=CELL (rnn, gru or lstm)",
    )


def _object(checkpoint: Checkpoint) -> str:
    """What the file is, where it is an object of some class and not a dictionary of tensors."""
    return f" in a pickled {checkpoint.made_of}" if checkpoint.made_of else ""


def _beside(checkpoint: Checkpoint) -> str:
    """What to do where the weights lie in the file's own neighbour, as darts saves its models."""
    neighbour = f"{checkpoint.path}.ckpt"
    if checkpoint.path == STANDARD_INPUT or not is_file(neighbour):
        return ""
    return f"name {neighbour}, in which the weights of such a file lie"


def _unread(gaps: Sequence[Unrecognised], checkpoint: Checkpoint) -> RnndiagError:
    """The error for recurrent parameters that are there, in a form that is not read."""
    first = gaps[0]
    more = f" (and {len(gaps) - 1} more modules)" if len(gaps) > 1 else ""
    return RnndiagError(
        InputCode.UNSUPPORTED,
        f"recurrent weights that are not read: {first.name}: {first.reason}{more}"
        f"{_wanted(checkpoint)}",
        "save the whole state_dict, as dense floating-point tensors",
        Content.UNMEASURED,
    )


def _empty(checkpoint: Checkpoint) -> RnndiagError:
    """The error for a file in which no model's tensor lies."""
    what = "only optimizer state" if checkpoint.tensors else "no tensors"
    return RnndiagError(
        InputCode.NO_RECURRENT_WEIGHTS,
        f"no recurrent weights found{_object(checkpoint)}: the file holds {what}"
        f"{_left_out(checkpoint)}{_wanted(checkpoint)}",
        _beside(checkpoint) or "name the file that holds the model's weights",
    )


def _bare(shape: tuple[int, ...]) -> RnndiagError:
    """The error for a tensor or an array that was saved by itself."""
    return RnndiagError(
        InputCode.NO_RECURRENT_WEIGHTS,
        f"no recurrent weights found: the file is one tensor of shape {shape}, without a name",
        "save the model's whole state_dict",
    )


def _left_out(checkpoint: Checkpoint) -> str:
    """What might have been a tensor, and why it is none here."""
    if not checkpoint.skipped:
        return ""
    first, *others = checkpoint.skipped
    more = f", and {len(others)} more" if others else ""
    return f" that are read (not read: {first.name or 'its root'}: {first.reason}{more})"


def _wanted(checkpoint: Checkpoint) -> str:
    """What the pickle asked to import, beyond what every checkpoint does; nothing was imported."""
    foreign = checkpoint.foreign_imports
    return f" (a trusting load would import {listed(foreign)})" if foreign else ""


def _unmeasured(entries: Sequence[Unrecognised], checkpoint: Checkpoint) -> RnndiagError:
    """The error for recurrences that cannot be measured; what can be declared comes first."""
    first = min(entries, key=lambda entry: DECLARABLE not in entry.reason)
    more = f" (and {len(entries) - 1} more)" if len(entries) > 1 else ""
    open_ones = not all(entry.certain and DECLARABLE not in entry.reason for entry in entries)
    further = f", their cells, and what --as {FORM} names" if open_ones else " and their cells"
    return RnndiagError(
        InputCode.NO_RECURRENT_WEIGHTS,
        f"no recurrent weights could be measured: {first.name} {first.shape}{more}: {first.reason}"
        f"{_wanted(checkpoint)}",
        f"rnndiag measures nn.RNN, nn.GRU, nn.LSTM{further}",
        Content.UNMEASURED if any(entry.certain for entry in entries) else None,
    )


def _likeness(name: str, tensor: StoredTensor) -> int:
    """How near a tensor comes to a recurrence: its shape first, then its name."""
    if not tensor.is_floating:
        return -1
    by_name = bool(RECURRENT.search(name)) or any(map(RNN_MODULE.fullmatch, name.split(".")))
    return 2 * (cell_by_shape(tensor.shape) is not None) + by_name
