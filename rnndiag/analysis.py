"""One checkpoint, measured: layers to everything that rules, advice and reports look at."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from rnndiag.cells import build_cell
from rnndiag.containers import read
from rnndiag.containers.checkpoint import Checkpoint
from rnndiag.containers.configurations import Configurations
from rnndiag.errors import InputCode, RnndiagError
from rnndiag.measure.spoilt import Spoilt, spoilt_outside
from rnndiag.measure.training_scale import TrainingScale, training_scales
from rnndiag.measure.training_state import TrainingState, training_state
from rnndiag.measure.weights import WeightHealth, measure_weights
from rnndiag.progress import Progress, Silent
from rnndiag.recognise import Declaration, explain_absence, recognise
from rnndiag.recognise.layers import ROOT, Recognition, RecurrentLayer, RecurrentModule
from rnndiag.recognise.lengths import LengthBasis, SequenceLength
from rnndiag.recognise.listing import listed
from rnndiag.task import ConfiguredLengths

if TYPE_CHECKING:
    # What inspecting a file does not need is loaded where it is: start-up is most of its time.
    from rnndiag.measure.spectrum import Spectrum
    from rnndiag.measure.trace import LayerTrace
    from rnndiag.probe.records import RecordedSeries
    from rnndiag.rollout import Cells
    from rnndiag.tracing import TraceRequest


MAX_MEASURED_LAYERS = 1000
"""Of one file: a small one takes some 50 ms to measure. Only to show what is there has no limit."""


@dataclass(frozen=True)
class Request:
    """What to measure."""

    spectrum: bool = False
    state_map: bool = False
    """Whether W_hh of plain RNNs is measured as a map from state to state: all that rules need of a
    spectrum, and cheaper."""

    trace: TraceRequest | None = None
    training_state: bool = True
    """Whether to read what an optimizer left in the file."""

    other_weights: bool = False
    """Whether to look for NaN in the model's tensors outside the recurrence: all of them are read.
    """

    layer: str | None = None
    """Glob on the layers' labels or their modules' names; None: all of them."""

    declarations: tuple[Declaration, ...] = ()

    optimizer: str | None = None
    """Path of a companion file that holds the optimizer's state."""

    verify: bool = False
    """Whether to compare an archive's checksums, and to compute the file's own."""

    lengths: ConfiguredLengths = field(default_factory=ConfiguredLengths)
    """Sequence lengths and memory for files of which the trace says none."""

    configurations: Configurations = field(default_factory=Configurations)
    """Where what stands beside checkpoints is looked up, once a folder."""

    progress: Progress = field(default_factory=Silent)
    """Who is told how far long measurements are."""

    def for_path(self, path: str) -> Request:
        """The same, with what is configured for one file where the trace itself says nothing.

        Recorded and given inputs have a length of their own, which a longer one cannot replace.
        """
        trace = self.trace
        if trace is None or trace.probe is not None:
            return self
        found = self.lengths.of(path)
        seq_len, inputs = trace.seq_len, trace.inputs_tbi
        if seq_len is None and (inputs is None or (found.seq_len or 0) <= len(inputs)):
            seq_len = found.seq_len
        memory = found.memory if trace.memory is None else trace.memory
        return replace(self, trace=replace(trace, seq_len=seq_len, memory=memory))

    @property
    def measures(self) -> bool:
        """Whether more is asked for than what stands in the file."""
        return self.spectrum or self.state_map or self.trace is not None


@dataclass(frozen=True)
class LayerResult:
    """One layer in one direction."""

    layer: RecurrentLayer
    weights: WeightHealth
    spectrum: Spectrum | None = None
    trace: LayerTrace | None = None
    not_measured: str | None = None
    """Why spectrum or trace are missing although they were asked for."""

    in_training: TrainingScale | None = None
    """How large its inputs and states were in training, where an optimizer's state says it."""


@dataclass(frozen=True)
class FileResult:
    """One checkpoint."""

    checkpoint: Checkpoint
    recognition: Recognition
    layers: tuple[LayerResult, ...]
    """Sorted by name, layer and direction."""

    training_state: TrainingState | None
    length: SequenceLength | None = None
    """Steps traced, and who says so; None if nothing was."""

    memory: int | None = None
    """Steps back that the task needs, where the user says so."""

    spoilt: tuple[Spoilt, ...] | None = None
    """Tensors outside the recurrence with NaN; None where nobody looked."""

    companion: Checkpoint | None = None
    """The file that holds the optimizer's state, where it is one of its own."""

    recorded: RecordedSeries | None = None
    """Losses and gradient norms of a probe."""

    @property
    def seq_len(self) -> int | None:
        """Steps traced; None if nothing was."""
        return None if self.length is None else self.length.steps

    @property
    def length_basis(self) -> LengthBasis | None:
        """Whether the user gave them, a file says them, or they are assumed."""
        return None if self.length is None else self.length.basis

    @property
    def files(self) -> tuple[Checkpoint, ...]:
        """All that say something of this training."""
        return _files(self.checkpoint, self.companion)


def _files(checkpoint: Checkpoint, companion: Checkpoint | None) -> tuple[Checkpoint, ...]:
    return (checkpoint,) if companion is None else (checkpoint, companion)


Needed = Literal["layers", "layers if certain", "recurrence"]
"""What a file must hold to give a result: layers that can be measured; those only where it holds a
recurrence for certain; or something that looks recurrent, which may all be unrecognised."""


def analyse(checkpoint: Checkpoint, request: Request, needed: Needed = "layers") -> FileResult:
    """Recognise and measure everything that was asked for.

    Unless layers are needed, a file whose recurrences are all unrecognised gives a result without
    any. Raises RnndiagError: RD004 for more layers than are measured, RD006 without recurrent
    weights, RD007 for a --layer that matches nothing or inputs that fit nothing, and what is wrong
    with the optimizer's own file.
    """
    companion = _companion(request.optimizer)
    state = _training_state(checkpoint, companion, request)
    recognition = recognise(checkpoint, request.declarations)
    outside = spoilt_outside(checkpoint, recognition) if request.other_weights else None
    if not recognition.modules:
        certain = any(entry.certain for entry in recognition.unrecognised)
        may_lack = needed == "recurrence" or (needed == "layers if certain" and not certain)
        if not ((recognition.unrecognised or outside) and may_lack):
            raise explain_absence(checkpoint, recognition)
        return FileResult(checkpoint, recognition, (), state, spoilt=outside, companion=companion)
    modules = _selected(recognition.modules, request.layer)
    if request.measures:
        _require_time(modules)
    request = _fitted(request, modules)
    modules = _settled(modules, request)
    files = _files(checkpoint, companion)
    request, length = _of_certain_length(request, files, recognition.modules)
    asked = request.training_state or request.trace is not None
    scales = training_scales(modules, *files) if asked else {}
    layers = [
        result
        for module in modules
        for result in _measure_module(module, recognition, checkpoint, request, scales)
    ]
    trace = request.trace
    return FileResult(
        checkpoint,
        recognition,
        tuple(layers),
        state,
        length=length,
        memory=None if trace is None else trace.memory,
        spoilt=outside,
        companion=companion,
        recorded=None if trace is None or trace.probe is None else trace.probe.series,
    )


def _fitted(request: Request, modules: Sequence[RecurrentModule]) -> Request:
    """The request, once it is certain that something of what it asks for can be traced."""
    if request.trace is None:
        return request
    from rnndiag.tracing import fitted_request

    return replace(request, trace=fitted_request(modules, request.trace))


def _settled(modules: list[RecurrentModule], request: Request) -> list[RecurrentModule]:
    """Modules of which a probe knows the activation."""
    probe = None if request.trace is None else request.trace.probe
    if probe is None:
        return modules
    from rnndiag.probe import with_recorded_activation

    return [with_recorded_activation(module, probe) for module in modules]


def _of_certain_length(
    request: Request, files: Sequence[Checkpoint], modules: Sequence[RecurrentModule]
) -> tuple[Request, SequenceLength | None]:
    """The request with the steps that will be traced, and who says so."""
    if request.trace is None:
        return request, None
    from rnndiag.tracing import sequence_length

    length = sequence_length(files, request.trace, request.configurations, modules)
    trace = replace(request.trace, seq_len=length.steps, length=length)
    return replace(request, trace=trace), length


def _companion(path: str | None) -> Checkpoint | None:
    """The optimizer's own file, where one is named."""
    if path is None:
        return None
    try:
        return read(path)
    except RnndiagError as error:
        raise RnndiagError(
            error.code, f"the optimizer's file {path}: {error.what}", error.remedy
        ) from error


def _training_state(
    checkpoint: Checkpoint, companion: Checkpoint | None, request: Request
) -> TrainingState | None:
    """Of the companion file where one is named, else of the checkpoint itself."""
    if not request.training_state:
        return None
    if companion is None:
        return training_state(checkpoint)
    try:
        state = training_state(checkpoint, companion)
    except RnndiagError as error:
        raise RnndiagError(
            error.code, f"the optimizer's file {request.optimizer}: {error.what}", error.remedy
        ) from error
    if state is None:
        raise RnndiagError(
            InputCode.USAGE,
            f"the optimizer's file {request.optimizer} holds no running averages of an optimizer",
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


def _require_time(modules: Sequence[RecurrentModule]) -> None:
    """Raise RD004 for more layers than any network has: measuring them would take minutes."""
    count = sum(len(module.flat) for module in modules)
    if count > MAX_MEASURED_LAYERS:
        raise RnndiagError(
            InputCode.REFUSED,
            f"it holds {count} layers; {MAX_MEASURED_LAYERS} at most are measured at once",
            "choose some with --layer; rnndiag inspect lists them",
        )


def _matches(module: RecurrentModule, pattern: str) -> bool:
    labels = [layer.label for layers in module.layers for layer in layers]
    return any(fnmatch.fnmatchcase(name, pattern) for name in (module.name or ROOT, *labels))


def _measure_module(
    module: RecurrentModule,
    recognition: Recognition,
    checkpoint: Checkpoint,
    request: Request,
    scales: Mapping[str, TrainingScale],
) -> list[LayerResult]:
    """Every layer of one module, bottom to top, forward before reverse."""
    health = [measure_weights(layer) for layer in module.flat]
    spectra: list[Spectrum | None] = [None] * len(health)
    traces: list[LayerTrace | None] = [None] * len(health)
    reason = None
    not_finite = [
        layer.label for layer, own in zip(module.flat, health, strict=True) if own.non_finite
    ]
    if request.measures and not not_finite:
        cells = [[build_cell(layer) for layer in layers] for layers in module.layers]
        if request.spectrum or (request.state_map and module.cell == "rnn"):
            spectra = _spectra(module, cells, request.spectrum)
        if request.trace is not None:
            from rnndiag.tracing import trace_recurrent, unfit

            reason = unfit(module, request.trace)
            if reason is None:
                traces = list(
                    trace_recurrent(
                        *(module, cells, recognition, checkpoint, request.trace, scales),
                        request.progress,
                    )
                )
    return [
        LayerResult(
            *of_layer,
            not_measured=_of_layer(reason, of_layer[1], not_finite),
            in_training=scales.get(of_layer[0].label),
        )
        for of_layer in zip(module.flat, health, spectra, traces, strict=True)
    ]


def _of_layer(reason: str | None, health: WeightHealth, not_finite: Sequence[str]) -> str | None:
    """Why one layer was not measured: by its own weights, or by another's of its module."""
    if not not_finite:
        return reason
    if health.non_finite:
        return "its weights are not finite"
    return f"it cannot be run: the weights of {listed(not_finite)} are not finite"


def _spectra(module: RecurrentModule, cells: Cells, complete: bool) -> list[Spectrum | None]:
    from rnndiag.measure.spectrum import measure_spectra, measure_weights_alone

    measure = measure_spectra if complete else measure_weights_alone
    return list(measure(cells, module.cell))
