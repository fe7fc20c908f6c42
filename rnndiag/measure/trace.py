"""bptt-trace: one module under one or more drives, from inputs to curves and verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from rnndiag.cells import Cell
from rnndiag.cells.base import FloatArray
from rnndiag.drives import Basis, Drive
from rnndiag.measure.drive_trace import DriveTrace, measure_drive, with_growth
from rnndiag.measure.gradient import GradientNorms, trace_gradients
from rnndiag.measure.gram import Gram
from rnndiag.measure.lag_gradients import LAG_LIMIT, Losses, measure_lag_gradients
from rnndiag.measure.textbook import textbook_curve
from rnndiag.measure.verdict import (
    CREDIBLE_LAGS,
    EXPLODING_DECADES,
    Verdict,
    explodes,
    lag_of_growth,
    layer_verdict,
)
from rnndiag.progress import Progress, Silent
from rnndiag.recognise.lengths import LengthBasis, SequenceLength
from rnndiag.rollout import Cells, LayerRun, States, random_states, run_stack


@dataclass(frozen=True)
class LayerTrace:
    """One layer in one direction under every drive."""

    seq_len: int
    drives: tuple[DriveTrace, ...]

    textbook_log10: FloatArray | None
    """log10 of the same seeds carried through W_hhᵀ alone; of a plain RNN only."""

    length: SequenceLength | None = None
    """Who says that sequences are as long as this; None for those that were recorded."""

    as_relu: tuple[DriveTrace, ...] = ()
    """The deciding drives once more with ReLU, of a plain RNN whose activation nobody says."""

    not_generated: str | None = None
    """Why the network was not run on its own samples; None where it was, or was not to be."""

    @property
    def length_basis(self) -> LengthBasis:
        """Who says so: the user or a recording, a file, nobody."""
        return "given" if self.length is None else self.length.basis

    @property
    def deciding(self) -> list[DriveTrace]:
        """The drives on which the verdict rests, on all of them together."""
        return [drive for drive in self.drives if drive.deciding]

    @property
    def headline(self) -> DriveTrace:
        """The deciding drive under which the gradient lasts longest: the one that is quoted."""
        return max(self.deciding, key=lambda drive: float(drive.log10_gradient_norm[-1]))

    @property
    def basis(self) -> Basis:
        """What the verdict stands on: the weakest of what it stands on."""
        found = {drive.basis for drive in self.deciding}
        return next(basis for basis in ("synthetic", "own", "measured") if basis in found)

    @property
    def verdict(self) -> Verdict:
        """In one word."""
        word = layer_verdict(
            [drive.verdict for drive in self.deciding], self.bears_out(EXPLODING_DECADES)
        )
        return "unsure" if word != "exploding" and self.only_as_relu(EXPLODING_DECADES) else word

    def exploding(self, decades: float) -> list[DriveTrace]:
        """The deciding drives under which the gradient grows so much, or the states overflow."""
        return [
            drive for drive in self.deciding if explodes(drive.decay, drive.overflow_step, decades)
        ]

    def bears_out(self, decades: float) -> bool:
        """Whether growth by so many decades, where there is one, is reached within known lengths.

        At an assumed length it has to come early, as in sequences that people do train on.
        """
        if self.length_basis != "assumed":
            return True
        return all(
            drive.overflow_step is not None
            or (lag := lag_of_growth(drive.log10_gradient_norm, decades)) is None
            or lag <= CREDIBLE_LAGS
            for drive in self.deciding
        )

    def only_as_relu(self, decades: float) -> list[DriveTrace]:
        """The drives under which it explodes with ReLU, where it does under none as it is."""
        if self.exploding(decades):
            return []
        return [
            drive for drive in self.as_relu if explodes(drive.decay, drive.overflow_step, decades)
        ]


@dataclass(frozen=True)
class TraceSetup:
    """Everything of a trace but the module and its drives."""

    seq_len: int
    batch: int
    seed: int

    cotangents: int = 1
    """Random seeds of the loss per sample."""

    initial: States | None = None
    """States to start from, [depth][direction] of shape (batch, state); None: N(0, 0.1²)."""

    cotangent_nbh: FloatArray | None = None
    """∂L/∂h at the top layer's last step, (cotangents, batch, output); None: Gaussian."""

    readout_oh: FloatArray | None = None
    """A linear layer on h, (outputs, directions * output), whose outputs' Gaussian gradients seed
    the trace instead of h's."""

    exponents: int | None = 0
    """Leading Lyapunov exponents to measure, None for all; 0 leaves out all of StateGrowth, 1 the
    worst case."""

    compare_lags: bool = False
    """Whether to compare the lags' parameter gradients, for truncation advice."""

    biases: bool = True
    """Whether the module has biases, whose gradients count where lags are compared."""

    length: SequenceLength | None = None
    """See LayerTrace."""

    hidden_in_training: Sequence[float | None] = ()
    """Root mean square of every depth's h in training, of a stack of one direction; None where
    nobody says."""

    strict: bool = False
    """Whether a drive under which states are not as in training decides nothing even if all are
    like that."""

    not_generated: str | None = None
    """See LayerTrace."""

    progress: Progress = field(default_factory=Silent)

    @property
    def takes_any_seed(self) -> bool:
        """Whether nobody asks for a certain seed: then an input's own is as good, and nearer."""
        return self.cotangent_nbh is None and self.readout_oh is None and self.cotangents == 1


UNLIKE_TRAINING = 3.0
"""Factor between the size of h in training and under a drive from which on the drive was not the
training's, and decides nothing. The estimate from an optimizer's state is within 30 % in 15 of 18
networks."""


def trace_module(
    cells: Cells, drives: Sequence[Drive], setup: TraceSetup
) -> list[list[LayerTrace]]:
    """Trace a module under every drive; traces[depth][direction].

    A stack of one direction is traced as a whole from its top. A bidirectional one has no joint map
    through time: each layer and direction is seeded at its own last step, given its inputs.
    """
    generator = np.random.default_rng([setup.seed, 1])
    initial = setup.initial or random_states(cells, setup.batch, generator)
    setup.progress.expect(_layer_steps(cells, drives, setup))
    by_drive = []
    for drive in drives:
        inputs = drive.inputs(setup.seed, setup.seq_len, setup.batch)
        start = initial if setup.initial is not None else drive.initial or initial
        by_drive.append(_trace_drive(cells, inputs, start, drive, setup))
    by_drive = _deciding(by_drive, setup)
    return [
        [
            _layer_trace(cell, [traces[depth][direction] for traces in by_drive], setup, direction)
            for direction, cell in enumerate(layer_cells)
        ]
        for depth, layer_cells in enumerate(cells)
    ]


def _deciding(
    by_drive: Sequence[list[list[DriveTrace]]], setup: TraceSetup
) -> list[list[list[DriveTrace]]]:
    """Drives under which the states are not as in training decide nothing, if others are."""
    likely = [_as_in_training(traces, setup) for traces in by_drive]
    decides = [
        fits and traces[0][0].deciding for fits, traces in zip(likely, by_drive, strict=True)
    ]
    if not (any(decides) or setup.strict):
        return list(by_drive)
    return [
        traces if fits else [[_set_aside(trace) for trace in sides] for sides in traces]
        for fits, traces in zip(likely, by_drive, strict=True)
    ]


def _set_aside(trace: DriveTrace) -> DriveTrace:
    return replace(trace, deciding=False, unlike_training=True)


def _as_in_training(traces: list[list[DriveTrace]], setup: TraceSetup) -> bool:
    """Whether no layer's h is much smaller than in training, as without input, where that is known.

    Larger it may be: where gradients explode, the early steps weigh most in the optimizer's state,
    and h is small there. Of 60 such networks 53 have a state that says less than half. Whether an
    activation that nobody says is ReLU (`strict`) is judged both ways: as ReLU, tanh networks run
    off.
    """
    for (trace, *_), trained in zip(traces, setup.hidden_in_training, strict=False):
        judged_so = setup.strict or trace.basis != "measured"
        if trained is not None and trace.hidden_rms is not None and judged_so:
            ratio = trace.hidden_rms / trained
            if ratio < 1.0 / UNLIKE_TRAINING or (setup.strict and ratio > UNLIKE_TRAINING):
                return False
    return True


def _layer_steps(cells: Cells, drives: Sequence[Drive], setup: TraceSetup) -> int:
    """Steps of single layers that are going to be made: there, back, and back to compare lags."""
    layers = sum(map(len, cells))
    compared = sum(drive.deciding for drive in drives) if _has_joint_gradient(cells, setup) else 0
    lags = min(setup.seq_len, LAG_LIMIT)
    return layers * (2 * len(drives) * setup.seq_len + compared * lags)


def _has_joint_gradient(cells: Cells, setup: TraceSetup) -> bool:
    """Whether lags are to be compared, and there is one gradient through all layers to compare."""
    return setup.compare_lags and len(cells[0]) == 1


def _seed(width: int, batch: int, setup: TraceSetup, direction: int = 0) -> FloatArray:
    """∂L/∂h at the loss step, (cotangents, batch, width)."""
    if setup.cotangent_nbh is not None:
        return setup.cotangent_nbh
    generator = np.random.default_rng([setup.seed, 2])
    if setup.readout_oh is None:
        return generator.standard_normal((setup.cotangents, batch, width))
    errors = generator.standard_normal((setup.cotangents, batch, len(setup.readout_oh)))
    return np.asarray(errors @ setup.readout_oh[:, direction * width : (direction + 1) * width])


def _trace_drive(
    cells: Cells, inputs_tbi: FloatArray, initial: States, drive: Drive, setup: TraceSetup
) -> list[list[DriveTrace]]:
    """One drive through the whole module."""

    def measured(run: LayerRun, norms: GradientNorms, seed_nbh: FloatArray) -> DriveTrace:
        trace = measure_drive(run, norms, seed_nbh, drive)
        return with_growth(trace, run, setup.exponents, setup.seed)

    runs = run_stack(cells, inputs_tbi, initial, setup.progress)
    batch, width = inputs_tbi.shape[1], cells[-1][0].output_size
    seeds = [_seed(width, batch, setup, direction) for direction in range(len(cells[0]))]
    if drive.cotangent_bh is not None and setup.takes_any_seed:
        seeds = [drive.cotangent_bh[None]]
    if len(seeds) == 1:
        stack = [run for (run,) in runs]
        norms = trace_gradients(stack, seeds[0], setup.progress)
        gram = _compare_lags(stack, seeds[0], drive, setup)
        return [
            [replace(measured(run, of_layer, seeds[0]), lag_gram=gram)]
            for run, of_layer in zip(stack, norms, strict=True)
        ]
    return [
        [
            measured(run, trace_gradients([run], seed, setup.progress)[0], seed)
            for run, seed in zip(layer_runs, seeds, strict=True)
        ]
        for layer_runs in runs
    ]


def _compare_lags(
    runs: Sequence[LayerRun], seed_nbh: FloatArray, drive: Drive, setup: TraceSetup
) -> Gram | None:
    """Under a deciding drive, where it was asked for and a step was run."""
    steps = runs[0].steps
    if not (setup.compare_lags and drive.deciding and steps):
        return None
    losses = Losses.at_the_end(steps, seed_nbh, independent=setup.cotangent_nbh is None)
    return measure_lag_gradients(runs, losses, setup.biases, setup.progress)


def _layer_trace(
    cell: Cell, drives: Sequence[DriveTrace], setup: TraceSetup, direction: int
) -> LayerTrace:
    seed = _seed(cell.output_size, setup.batch, setup, direction)
    return LayerTrace(
        seq_len=setup.seq_len,
        drives=tuple(drives),
        textbook_log10=textbook_curve(cell, seed, setup.seq_len),
        length=setup.length,
        not_generated=setup.not_generated,
    )
