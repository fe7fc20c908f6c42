"""From what was asked of a trace to the traces of one module: lengths, drives, checks, limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rnndiag.cells.base import FloatArray
from rnndiag.containers.checkpoint import Checkpoint
from rnndiag.drives import Drive, choose_drives, given_drive, probe_drive
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.given import GivenStates, checked_cotangent, load_readout
from rnndiag.measure.trace import LayerTrace, TraceSetup, trace_module
from rnndiag.progress import Progress
from rnndiag.recognise.layers import ROOT, Recognition, RecurrentModule
from rnndiag.recognise.settings import sequence_length_setting
from rnndiag.rollout import Cells, inside_bytes

if TYPE_CHECKING:
    from rnndiag.probe import Probe, RecordedModule

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

    readout: str | None = None
    """Name of the linear layer's weight through which the loss sees the module's output."""

    compare_lags: bool = False
    """Whether to compare the lags' parameter gradients, for truncation advice."""

    exponents: int | None = 0
    """Leading Lyapunov exponents to measure, None for all of them, 0 for none."""

    probe: Probe | None = None
    """Recorded sequences with their loss gradients, instead of all of the above but `exponents`."""


def sequence_length(files: Sequence[Checkpoint], trace: TraceRequest) -> tuple[int, str]:
    """Steps to trace, and who says so: "given", "default" or the name of a file's setting."""
    if trace.seq_len is not None:
        return trace.seq_len, "given"
    if trace.probe is not None:
        return trace.probe.longest, "given"
    if trace.inputs_tbi is not None:
        return len(trace.inputs_tbi), "given"
    # What a truncation costs shows only in a window that is longer than it.
    setting = sequence_length_setting(*files, truncated=not trace.compare_lags)
    if setting is not None and int(setting.value) not in CREDIBLE_LENGTHS:
        setting = None
    return (int(setting.value), setting.name) if setting else (DEFAULT_SEQ_LEN, "default")


def trace_recurrent(
    module: RecurrentModule,
    cells: Cells,
    recognition: Recognition,
    checkpoint: Checkpoint,
    trace: TraceRequest,
    progress: Progress,
) -> Iterator[LayerTrace]:
    """Every layer's trace, bottom to top, forward before reverse.

    Raises RD007 for a request that does not fit the module, or more than the memory allows.
    """
    if trace.probe is not None:
        recorded = trace.probe.modules[module.name]
        for traces in _trace_recorded(module, cells, recorded, trace, progress):
            yield from traces
        return
    seq_len, _ = sequence_length((checkpoint,), trace)
    drives = _drives(module, recognition, checkpoint, trace)
    setup = _setup(module, cells, trace, seq_len)
    if trace.readout is not None:
        setup = replace(setup, readout_oh=load_readout(trace.readout, checkpoint, module))
    for traces in trace_module(cells, drives, replace(setup, progress=progress)):
        yield from traces


def _trace_recorded(
    module: RecurrentModule,
    cells: Cells,
    recorded: RecordedModule,
    trace: TraceRequest,
    progress: Progress,
) -> list[list[LayerTrace]]:
    from rnndiag.measure.probe_trace import trace_recorded

    calls, batch, _ = recorded.inputs_tbi.shape
    steps = recorded.longest
    _require_memory(cells, calls, batch, 1)
    _require_memory(cells, steps, len(recorded.chains), 1)
    setup = TraceSetup(
        steps,
        batch,
        trace.seed,
        exponents=trace.exponents,
        compare_lags=trace.compare_lags,
        biases=_has_biases(module),
        progress=progress,
    )
    initial = recorded.initial.of_module(module, batch)
    return trace_recorded(cells, recorded, initial, probe_drive(recorded.inputs_tbi), setup)


def _drives(
    module: RecurrentModule, recognition: Recognition, checkpoint: Checkpoint, trace: TraceRequest
) -> tuple[Drive, ...]:
    if trace.inputs_tbi is not None:
        return (given_drive(trace.inputs_tbi, "the given inputs"),)
    return choose_drives(module, recognition, checkpoint, trace.drive)


def unfit(module: RecurrentModule, trace: TraceRequest) -> str | None:
    """Why the user's inputs or probe cannot drive this module; None if they can."""
    if trace.probe is not None:
        return _unrecorded(module, trace.probe)
    if trace.inputs_tbi is None or trace.inputs_tbi.shape[2] == module.input_size:
        return None
    return (
        f"the given inputs have {trace.inputs_tbi.shape[2]} features, "
        f"{module.name or ROOT} takes {module.input_size}"
    )


def _unrecorded(module: RecurrentModule, probe: Probe) -> str | None:
    recorded = probe.modules.get(module.name)
    if recorded is None:
        return "the probe has no record of it"
    return recorded.untraceable


def fitted_request(modules: Sequence[RecurrentModule], trace: TraceRequest) -> TraceRequest:
    """The request with a probe's names made those of the checkpoint.

    Raises RD007 unless the user's inputs or probe can drive at least one module.
    """
    if trace.probe is not None:
        from rnndiag.probe import fitted

        probe = fitted(trace.probe, modules)
        _require_steps(probe)
        return replace(trace, probe=probe)
    reasons = [unfit(module, trace) for module in modules]
    if None not in reasons:
        raise RnndiagError(
            InputCode.USAGE, str(reasons[0]), "give inputs of shape (steps, batch, features)"
        )
    return trace


def _require_steps(probe: Probe) -> None:
    """Raise RD007 for a probe that has single steps and nothing else."""
    reasons = [module.untraceable for module in probe.modules.values()]
    if None in reasons or not all(module.has_single_steps for module in probe.modules.values()):
        return
    short = next((reason for reason in reasons if "of one step" in str(reason)), None)
    if short is not None:
        raise RnndiagError(
            InputCode.USAGE,
            f"the probe {probe.path} has {short}",
            "hand the state on from call to call, not detached, and record a whole sequence",
        )


def _setup(module: RecurrentModule, cells: Cells, trace: TraceRequest, seq_len: int) -> TraceSetup:
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
        compare_lags=trace.compare_lags,
        biases=_has_biases(module),
        initial=None if trace.initial is None else trace.initial.of_module(module, batch),
        cotangent_nbh=None
        if trace.cotangent_nbh is None
        else checked_cotangent(trace.cotangent_nbh, module, batch),
    )


def _has_biases(module: RecurrentModule) -> bool:
    return any(bias is not None for layer in module.flat for bias in (layer.bias_ih, layer.bias_hh))


def _require_memory(cells: Cells, seq_len: int, batch: int, cotangents: int) -> None:
    """Inputs, outputs and norms of every step, and the segments of all layers, are held at once."""
    flat = [cell for layers in cells for cell in layers]
    per_sample = flat[0].weights.weight_ih.shape[1] + sum(
        2 * cell.output_size + 3 * cotangents for cell in flat
    )
    inside = [inside_bytes(cell, batch, seq_len, len(flat)) for cell in flat]
    needed = 8 * seq_len * batch * per_sample + sum(inside)
    if needed > MEMORY_LIMIT:
        raise RnndiagError(
            InputCode.USAGE,
            f"--seq-len {seq_len}, batch {batch} would need {-(-needed // 2**30):,} GiB of memory",
            f"the limit is {MEMORY_LIMIT >> 30} GiB: take fewer steps or a smaller --batch",
        )
