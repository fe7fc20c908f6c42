"""From what was asked of a trace to the traces of one module: lengths, drives, checks, limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rnndiag.cells.base import FloatArray
from rnndiag.containers.checkpoint import Checkpoint
from rnndiag.containers.configurations import Configurations
from rnndiag.drives import Drive, given_drive, probe_drive
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.given import GivenStates, checked_cotangent, load_readout
from rnndiag.inputs.choice import Chosen, Setting, choose_drives
from rnndiag.measure.trace import LayerTrace, TraceSetup, trace_module
from rnndiag.measure.training_scale import TrainingScale
from rnndiag.measure.verdict import EXPLODING_DECADES
from rnndiag.progress import Progress
from rnndiag.recognise.layers import ROOT, Recognition, RecurrentModule
from rnndiag.recognise.lengths import SequenceLength, stated_beside, stated_in_files
from rnndiag.rollout import Cells, inside_bytes

if TYPE_CHECKING:
    from rnndiag.probe import Probe, RecordedModule

DEFAULT_SEQ_LEN = 200
"""Steps of a trace where neither the user nor the file says how long sequences are."""

MEMORY_LIMIT = 8 * 2**30
"""Bytes that one trace may hold; a longer one is refused with the memory it would need."""


@dataclass(frozen=True)
class TraceRequest:
    """How to trace."""

    seq_len: int | None = None
    """None: the length of the given inputs, else what the file or a configuration beside it says,
    else 200; and at least `memory`."""

    memory: int | None = None
    """Steps back that the task needs; None: nobody said."""

    length: SequenceLength | None = None
    """The same with who says so, once that is certain."""

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


def sequence_length(
    files: Sequence[Checkpoint],
    trace: TraceRequest,
    configurations: Configurations | None = None,
    modules: Sequence[RecurrentModule] = (),
) -> SequenceLength:
    """Steps to trace, and who says so: the user, the files, a configuration beside the first."""
    if trace.seq_len is not None:
        return SequenceLength(trace.seq_len, "given")
    if trace.probe is not None:
        return SequenceLength(trace.probe.longest, "given")
    if trace.inputs_tbi is not None:
        return SequenceLength(len(trace.inputs_tbi), "given")
    found = _found_length(files, trace, configurations, modules)
    if trace.memory is not None and trace.memory > found.steps:
        # What a task needs to remember is within its sequences.
        return SequenceLength(trace.memory, "given", "--memory", found.remarks)
    return found


def _found_length(
    files: Sequence[Checkpoint],
    trace: TraceRequest,
    configurations: Configurations | None,
    modules: Sequence[RecurrentModule],
) -> SequenceLength:
    """What the files say, else the nearest configurations beside them, else 200."""
    # What a truncation costs shows only in a window that is longer than it.
    truncated = not trace.compare_lags
    said = stated_in_files(files, truncated)
    remarks = said.remarks
    if said.steps is None and not said.disagrees and configurations is not None:
        hidden = {layer.hidden_size for module in modules for layer in module.flat}
        for group in configurations.beside(files[0].path):
            said = stated_beside(group, hidden, truncated)
            remarks += said.remarks
            if said.steps is not None or said.disagrees:
                break
    if said.steps is not None:
        return SequenceLength(said.steps, "file", said.source, said.remarks)
    return SequenceLength(DEFAULT_SEQ_LEN, "assumed", remarks=remarks)


def trace_recurrent(
    module: RecurrentModule,
    cells: Cells,
    recognition: Recognition,
    checkpoint: Checkpoint,
    trace: TraceRequest,
    scales: Mapping[str, TrainingScale],
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
    chosen = _chosen(module, cells, recognition, checkpoint, trace, scales)
    setup = replace(
        _setup(module, cells, trace, trace.seq_len or DEFAULT_SEQ_LEN),
        progress=progress,
        hidden_in_training=_hidden_in_training(module, scales),
        not_generated=chosen.not_generated,
    )
    if trace.readout is not None:
        setup = replace(setup, readout_oh=load_readout(trace.readout, checkpoint, module))
    by_depth = trace_module(cells, chosen.drives, setup)
    if trace.inputs_tbi is not None and trace.initial is None:
        by_depth = _from_zero_too(cells, chosen.drives, setup, by_depth)
    if module.flat[0].activation_is_assumed:
        relu = _as_relu(cells)
        again = _chosen(module, relu, recognition, checkpoint, trace, scales)
        by_depth = _with_relu(relu, [d for d in again.drives if d.deciding], setup, by_depth)
    for traces in by_depth:
        yield from traces


def _from_zero_too(
    cells: Cells, drives: Sequence[Drive], setup: TraceSetup, traces: list[list[LayerTrace]]
) -> list[list[LayerTrace]]:
    """Given inputs under which the gradient explodes, once more from h_0 = 0, as most are run.

    A network that tips over from a random state and not from its own does not explode on its data.
    """
    if not any(trace.exploding(EXPLODING_DECADES) for sides in traces for trace in sides):
        return traces
    zero = [[np.zeros((setup.batch, cell.state_size)) for cell in sides] for sides in cells]
    named = [replace(drive, name=f"{drive.name}, h_0 = 0") for drive in drives]
    again = trace_module(cells, named, replace(setup, initial=zero))
    return [
        [
            replace(trace, drives=(*trace.drives, *other.drives))
            for trace, other in zip(one, two, strict=True)
        ]
        for one, two in zip(traces, again, strict=True)
    ]


def _as_relu(cells: Cells) -> Cells:
    """The same weights with the other activation that PyTorch's plain RNN has."""
    return [
        [replace(cell, weights=replace(cell.weights, activation="relu")) for cell in sides]
        for sides in cells
    ]


def _with_relu(
    relu: Cells, drives: Sequence[Drive], setup: TraceSetup, traces: list[list[LayerTrace]]
) -> list[list[LayerTrace]]:
    """A plain RNN whose activation nobody says: what it would do with ReLU, under what decides.

    Only where the states then have about the size that they had in training, if that is known.
    """
    trained = [0.0 if size is None else size for size in setup.hidden_in_training]
    # No tanh is above 1: then it is ReLU, whatever size it grows to over more steps.
    surely = max(trained, default=0.0) > TANH_AT_MOST
    sizes = () if surely else setup.hidden_in_training
    plain = replace(setup, exponents=0, compare_lags=False, strict=True, hidden_in_training=sizes)
    again = trace_module(relu, drives, plain)
    return [
        [
            replace(trace, as_relu=tuple(as_relu.deciding))
            for trace, as_relu in zip(one, other, strict=True)
        ]
        for one, other in zip(traces, again, strict=True)
    ]


TANH_AT_MOST = 1.3
"""Root mean square of h in training, by an optimizer's state, above which it was not tanh's: that
is below 1, and the estimate within 30 % in 15 of 18 networks."""


def _hidden_in_training(
    module: RecurrentModule, scales: Mapping[str, TrainingScale]
) -> list[float | None]:
    if module.bidirectional:
        return []
    found = [scales.get(layer.label) for layer in module.flat]
    return [None if scale is None else scale.hidden for scale in found]


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


def _chosen(
    module: RecurrentModule,
    cells: Cells,
    recognition: Recognition,
    checkpoint: Checkpoint,
    trace: TraceRequest,
    scales: Mapping[str, TrainingScale],
) -> Chosen:
    if trace.inputs_tbi is not None:
        return Chosen((given_drive(trace.inputs_tbi, "the given inputs"),))
    steps = trace.seq_len or DEFAULT_SEQ_LEN
    scale = scales.get(module.flat[0].label)
    _require_memory(cells, steps, trace.batch, trace.cotangents)
    setting = Setting(module, cells, recognition, checkpoint, scale, trace.seed, steps, trace.batch)
    return choose_drives(setting, trace.drive)


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
        length=trace.length,
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
