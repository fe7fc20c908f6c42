"""One checkpoint, measured: layers to everything that rules, advice and reports look at."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass

from rnndiag.cells import Cell, build_cell
from rnndiag.cells.base import FloatArray
from rnndiag.containers import read
from rnndiag.containers.checkpoint import Checkpoint
from rnndiag.drives import Drive, choose_drives, given_drive
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.given import GivenStates, checked_cotangent
from rnndiag.measure.spectrum import Spectrum, measure_spectrum
from rnndiag.measure.trace import LayerTrace, TraceSetup, trace_module
from rnndiag.measure.training_state import (
    TrainingState,
    sequence_length_setting,
    training_state,
)
from rnndiag.measure.weights import WeightHealth, measure_weights
from rnndiag.recognise import Declaration, explain_absence, recognise
from rnndiag.recognise.layers import ROOT, Recognition, RecurrentLayer, RecurrentModule

DEFAULT_SEQ_LEN = 200
"""Steps of a trace where neither the user nor the file says how long sequences are."""

CREDIBLE_LENGTHS = range(20, 10_001)
"""Lengths in a file that a trace follows. Over fewer steps no growth rate has a narrow interval, so
a file could talk a gate into passing; over more, one number in a file could fill the memory."""

MEMORY_LIMIT = 8 * 2**30
"""Bytes that one trace may hold; a longer one is refused with the memory it would need."""


@dataclass(frozen=True)
class TraceRequest:
    """How to trace."""

    seq_len: int | None = None
    """None: the length of the given inputs, else the file's own setting, else 200."""

    batch: int = 8
    seed: int = 0
    drive: str = "auto"
    """"auto" or the name of one synthetic drive."""

    inputs_tbi: FloatArray | None = None
    """The user's inputs, (steps, batch, input), instead of a synthetic drive."""

    initial: GivenStates | None = None
    """States to start from; None: N(0, 0.1²)."""

    cotangents: int = 1
    cotangent_nbh: FloatArray | None = None

    exponents: int | None = 0
    """Leading Lyapunov exponents to measure, None for all of them, 0 for none."""


@dataclass(frozen=True)
class Request:
    """What to measure."""

    spectrum: bool = False
    trace: TraceRequest | None = None
    layer: str | None = None
    """Glob on the layers' labels or their modules' names; None: all of them."""

    declarations: tuple[Declaration, ...] = ()

    optimizer: str | None = None
    """Path of a companion file that holds the optimizer's state."""

    verify: bool = False
    """Whether to compare an archive's checksums, and to compute the file's own."""


@dataclass(frozen=True)
class LayerResult:
    """One layer in one direction."""

    layer: RecurrentLayer
    weights: WeightHealth
    spectrum: Spectrum | None = None
    trace: LayerTrace | None = None
    not_measured: str | None = None
    """Why spectrum or trace are missing although they were asked for."""


@dataclass(frozen=True)
class FileResult:
    """One checkpoint."""

    checkpoint: Checkpoint
    recognition: Recognition
    layers: tuple[LayerResult, ...]
    """Sorted by name, layer and direction."""

    training_state: TrainingState | None
    seq_len: int | None = None
    """Steps traced; None if nothing was."""

    seq_len_source: str = ""
    """"given", "default", or the name of the file's own setting."""


def analyse(checkpoint: Checkpoint, request: Request, require_layers: bool = True) -> FileResult:
    """Recognise and measure everything that was asked for.

    Without `require_layers`, a file whose recurrences are all unrecognised gives a result without
    layers. Raises RnndiagError: RD006 without recurrent weights, RD007 for a --layer that matches
    nothing or inputs that fit nothing, and what is wrong with the optimizer's own file.
    """
    state = _training_state(checkpoint, request.optimizer)
    recognition = recognise(checkpoint, request.declarations)
    if not recognition.modules:
        if require_layers or not recognition.unrecognised:
            raise explain_absence(checkpoint, recognition)
        return FileResult(checkpoint, recognition, (), state)
    modules = _selected(recognition.modules, request.layer)
    seq_len, source = _sequence_length(checkpoint, request.trace)
    if request.trace is not None:
        _require_fitting(modules, request.trace)
    layers = [
        result
        for module in modules
        for result in _measure_module(module, recognition, checkpoint, request, seq_len)
    ]
    return FileResult(
        checkpoint=checkpoint,
        recognition=recognition,
        layers=tuple(layers),
        training_state=state,
        seq_len=seq_len if request.trace is not None else None,
        seq_len_source=source,
    )


def _training_state(checkpoint: Checkpoint, companion: str | None) -> TrainingState | None:
    """Of the companion file where one is named, else of the checkpoint itself."""
    if companion is None:
        return training_state(checkpoint)
    try:
        state = training_state(checkpoint, read(companion))
    except RnndiagError as error:
        raise RnndiagError(
            error.code, f"the optimizer's file {companion}: {error.what}", error.remedy
        ) from error
    if state is None:
        raise RnndiagError(
            InputCode.USAGE,
            f"the optimizer's file {companion} holds no running averages of an optimizer",
            "name the file that has the optimizer's state_dict",
        )
    return state


def _selected(modules: Sequence[RecurrentModule], pattern: str | None) -> list[RecurrentModule]:
    """Whole modules: a stack's gradient runs through all of its layers."""
    chosen = [module for module in modules if pattern is None or _matches(module, pattern)]
    if not chosen:
        names = ", ".join(module.name or ROOT for module in modules[:8])
        raise RnndiagError(
            InputCode.USAGE, f"no layer matches {pattern!r}", f"the file has {names}"
        )
    return chosen


def _matches(module: RecurrentModule, pattern: str) -> bool:
    labels = [layer.label for layers in module.layers for layer in layers]
    return any(fnmatch.fnmatchcase(name, pattern) for name in (module.name or ROOT, *labels))


def _sequence_length(checkpoint: Checkpoint, trace: TraceRequest | None) -> tuple[int, str]:
    """Steps to trace, and who says so."""
    if trace is None:
        return DEFAULT_SEQ_LEN, ""
    if trace.seq_len is not None:
        return trace.seq_len, "given"
    if trace.inputs_tbi is not None:
        return len(trace.inputs_tbi), "given"
    setting = sequence_length_setting(checkpoint)
    if setting is not None and int(setting.value) not in CREDIBLE_LENGTHS:
        setting = None
    return (int(setting.value), setting.name) if setting else (DEFAULT_SEQ_LEN, "default")


def _measure_module(
    module: RecurrentModule,
    recognition: Recognition,
    checkpoint: Checkpoint,
    request: Request,
    seq_len: int,
) -> list[LayerResult]:
    health = [[measure_weights(layer) for layer in layers] for layers in module.layers]
    finite = all(h.non_finite == 0 for layers in health for h in layers)
    if not finite or not (request.spectrum or request.trace):
        reason = None if finite else "its weights are not finite"
        return [
            LayerResult(layer, h, not_measured=reason)
            for layers, row in zip(module.layers, health, strict=True)
            for layer, h in zip(layers, row, strict=True)
        ]
    cells = [[build_cell(layer) for layer in layers] for layers in module.layers]
    traces, reason = None, None
    if request.trace is not None:
        reason = _unfit(module, request.trace)
        if reason is None:
            drives = _drives(module, recognition, checkpoint, request.trace)
            traces = trace_module(cells, drives, _setup(module, cells, request.trace, seq_len))
    return [
        LayerResult(
            layer,
            health[depth][side],
            spectrum=measure_spectrum(cells[depth][side], layer.cell) if request.spectrum else None,
            trace=traces[depth][side] if traces else None,
            not_measured=reason,
        )
        for depth, layers in enumerate(module.layers)
        for side, layer in enumerate(layers)
    ]


def _drives(
    module: RecurrentModule, recognition: Recognition, checkpoint: Checkpoint, trace: TraceRequest
) -> tuple[Drive, ...]:
    if trace.inputs_tbi is not None:
        return (given_drive(trace.inputs_tbi, "the given inputs"),)
    return choose_drives(module, recognition, checkpoint, trace.drive)


def _unfit(module: RecurrentModule, trace: TraceRequest) -> str | None:
    """Why the user's inputs cannot drive this module; None if they can."""
    if trace.inputs_tbi is None or trace.inputs_tbi.shape[2] == module.input_size:
        return None
    return (
        f"the given inputs have {trace.inputs_tbi.shape[2]} features, "
        f"{module.name or ROOT} takes {module.input_size}"
    )


def _require_fitting(modules: Sequence[RecurrentModule], trace: TraceRequest) -> None:
    reasons = [_unfit(module, trace) for module in modules]
    if None not in reasons:
        raise RnndiagError(
            InputCode.USAGE, str(reasons[0]), "give inputs of shape (steps, batch, features)"
        )


def _setup(
    module: RecurrentModule, cells: list[list[Cell]], trace: TraceRequest, seq_len: int
) -> TraceSetup:
    """The trace's settings for one module, after the checks that need its sizes."""
    batch = trace.batch if trace.inputs_tbi is None else trace.inputs_tbi.shape[1]
    _require_memory(cells, seq_len, batch, trace.cotangents)
    if trace.inputs_tbi is not None and seq_len > len(trace.inputs_tbi):
        raise RnndiagError(
            InputCode.USAGE,
            f"--seq-len {seq_len} is longer than the given inputs, {len(trace.inputs_tbi)} steps",
            "leave --seq-len out or give longer inputs",
        )
    return TraceSetup(
        seq_len=seq_len,
        batch=batch,
        seed=trace.seed,
        cotangents=trace.cotangents,
        exponents=trace.exponents,
        initial=None if trace.initial is None else trace.initial.of_module(module, batch),
        cotangent_nbh=None
        if trace.cotangent_nbh is None
        else checked_cotangent(trace.cotangent_nbh, module, batch),
    )


def _require_memory(cells: list[list[Cell]], seq_len: int, batch: int, cotangents: int) -> None:
    """States, drives and their slopes are held for every step."""
    per_sample = sum(
        cell.weights.weight_ih.shape[1] + 3 * cell.weights.weight_ih.shape[0] + 3 * cell.state_size
        for layers in cells
        for cell in layers
    )
    needed = 8 * seq_len * batch * (per_sample + 2 * cotangents)
    if needed > MEMORY_LIMIT:
        raise RnndiagError(
            InputCode.USAGE,
            f"--seq-len {seq_len}, batch {batch} would need {needed / 2**30:,.0f} GiB of memory",
            f"the limit is {MEMORY_LIMIT >> 30} GiB: take fewer steps or a smaller --batch",
        )
