"""bptt-trace on a probe: the recorded sequences, seeded with the loss gradients they really had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rnndiag.cells.base import FloatArray
from rnndiag.drives import Drive
from rnndiag.measure.activity import measure_activity
from rnndiag.measure.drive_trace import drive_trace, with_growth
from rnndiag.measure.gradient import ScaledVectors
from rnndiag.measure.gram import Gram
from rnndiag.measure.injected import StepNorms, back_propagate
from rnndiag.measure.joined_calls import joined, without_next_calls
from rnndiag.measure.lag_gradients import Losses, lags_that_fit, measure_lag_gradients
from rnndiag.measure.loss_gradient import LossGradient, loss_gradient
from rnndiag.measure.recorded_run import (
    Runs,
    direct_gradients,
    flipped,
    run_recorded,
    state_difference,
)
from rnndiag.measure.seeds import Seed, last_seed
from rnndiag.measure.textbook import textbook_curve
from rnndiag.measure.trace import LayerTrace, TraceSetup
from rnndiag.probe.records import IntArray, RecordedModule
from rnndiag.progress import Progress
from rnndiag.rollout import Cells, LayerRun, States, run_layer

BySide = list[list[ScaledVectors]]
"""[depth][direction]: what reaches the states from outside their layer, (steps, batch, state)."""


def trace_recorded(
    cells: Cells, recorded: RecordedModule, initial: States, drive: Drive, setup: TraceSetup
) -> list[list[LayerTrace]]:
    """Trace a module on a probe's sequences; traces[depth][direction].

    Two gradients are followed. That of the whole loss, every step's ∂L/∂y injected, gives
    ‖∂L/∂h_t‖ by step. That of one step gives φ_k by lag, as everywhere: seeded, in every sequence,
    at the last step at which the loss reaches the top's h, and counted back from there. A
    bidirectional module is seeded layer by layer, with what reaches each layer from above it.
    Calls that hand their state on are traced as the one sequence that they are.

    Raises RnndiagError (RD007) where the states overflow.
    """
    progress = setup.progress
    progress.expect(3 * sum(map(len, cells)) * _steps_to_run(recorded))
    runs = run_recorded(cells, recorded, initial, progress)
    gradients = direct_gradients(runs, recorded)
    if recorded.continues is not None:
        calls = [[ScaledVectors.of(gradient) for gradient in sides] for sides in gradients]
        norms, _ = _through_stack(runs, calls, recorded.lengths, progress)
        without_next_calls(gradients, norms, recorded)
        recorded, gradients, initial = joined(recorded, gradients, initial)
        runs = run_recorded(cells, recorded, initial, progress)
    lengths = recorded.lengths
    direct = [[ScaledVectors.of(gradient) for gradient in sides] for sides in gradients]
    gram = _compare_lags(runs, gradients[-1][0], setup)
    whole, injected = _through_stack(runs, direct, lengths, progress)
    seeds = _seeds(runs, direct, injected)
    lagged = _by_lag(runs, seeds, lengths, progress)
    traces = []
    for depth, layer_runs in enumerate(runs):
        differences = state_difference(layer_runs, recorded, depth)
        losses = [
            loss_gradient(norms, recorded, side == 1, differences[side])
            for side, norms in enumerate(whole[depth])
        ]
        parts = zip(layer_runs, lagged[depth], seeds[depth], losses, strict=True)
        traces.append([_layer_trace(*part, gram, lengths, drive, setup) for part in parts])
    return traces


def _steps_to_run(recorded: RecordedModule) -> int:
    """Those of every call, and those of the sequences that they are."""
    calls = 0 if recorded.continues is None else len(recorded.inputs_tbi)
    return calls + recorded.longest


def _through_stack(
    runs: Runs, direct: BySide, lengths: IntArray, progress: Progress
) -> tuple[list[list[StepNorms]], BySide]:
    """From the top down: norms of every layer, and all that reached its states from outside."""
    norms: list[list[StepNorms]] = []
    injected: BySide = []
    for layer_runs, own in zip(reversed(runs), reversed(direct), strict=True):
        sides = own
        if norms:
            above = _split(_inputs(norms[0], lengths), layer_runs, lengths)
            sides = [_sum(*pair) for pair in zip(own, above, strict=True)]
        of_layer = [back_propagate(*pair, progress) for pair in zip(layer_runs, sides, strict=True)]
        injected.insert(0, sides)
        norms.insert(0, of_layer)
    return norms, injected


def _inputs(sides: Sequence[StepNorms], lengths: IntArray) -> ScaledVectors:
    """∂L/∂x of a layer, from both of its directions."""
    forward, *reverse = (side.inputs for side in sides)
    return _sum(forward, _flipped(reverse[0], lengths)) if reverse else forward


def _sum(one: ScaledVectors, two: ScaledVectors) -> ScaledVectors:
    return one.plus(two.mantissa, two.exponent)


def _split(
    outputs: ScaledVectors, layer_runs: Sequence[LayerRun], lengths: IntArray
) -> list[ScaledVectors]:
    """A gradient of both directions' outputs as one of each direction's states, in its order."""
    found = []
    for side, run in enumerate(layer_runs):
        width = run.cell.output_size
        states = np.zeros((*outputs.exponent.shape, run.cell.state_size))
        states[..., :width] = outputs.mantissa[..., side * width : (side + 1) * width]
        scaled = ScaledVectors.of(states, outputs.exponent)
        found.append(scaled if side == 0 else _flipped(scaled, lengths))
    return found


def _flipped(vectors: ScaledVectors, lengths: IntArray) -> ScaledVectors:
    return ScaledVectors(flipped(vectors.mantissa, lengths), flipped(vectors.exponent, lengths))


def _seeds(runs: Runs, direct: BySide, injected: BySide) -> list[list[Seed]]:
    """The top's in a stack of one direction, in one of two each layer's and direction's own."""
    if len(runs[0]) == 1:
        top = last_seed(direct[-1][0], runs[-1][0].cell.output_size)
        return [[top]] * len(runs)
    return [
        [last_seed(side, run.cell.output_size) for run, side in zip(*row, strict=True)]
        for row in zip(runs, injected, strict=True)
    ]


def _by_lag(
    runs: Runs, seeds: list[list[Seed]], lengths: IntArray, progress: Progress
) -> list[list[StepNorms]]:
    """Norms of the gradients that start at the seeds alone."""
    if len(runs[0]) == 1:
        none = [[_zeros(run) for run in layer_runs] for layer_runs in runs[:-1]]
        return _through_stack(runs, [*none, [seeds[-1][0].injected]], lengths, progress)[0]
    return [
        [back_propagate(run, seed.injected, progress) for run, seed in zip(*row, strict=True)]
        for row in zip(runs, seeds, strict=True)
    ]


def _zeros(run: LayerRun) -> ScaledVectors:
    return ScaledVectors.of(np.zeros((run.steps, run.inputs_tbi.shape[1], run.cell.state_size)))


def _layer_trace(
    run: LayerRun,
    norms: StepNorms,
    seed: Seed,
    loss: LossGradient,
    gram: Gram | None,
    lengths: IntArray,
    drive: Drive,
    setup: TraceSetup,
) -> LayerTrace:
    """One layer in one direction."""
    by_lag = seed.by_lag(norms, *measure_activity(run, lengths))
    vectors = seed.vectors
    trace = drive_trace(drive, by_lag, vectors.log_norm()[None], None, loss)
    trace = with_growth(trace, _longest(run, lengths), setup.exponents, setup.seed)
    trace = replace(trace, lag_gram=gram)
    steps = int(seed.ends.max())
    # Sizes far apart: only a curve relative to the largest is asked for.
    relative = np.ldexp(vectors.mantissa, (vectors.exponent - vectors.exponent.max())[:, None])
    textbook = textbook_curve(run.cell, relative[None, :, : run.cell.output_size], steps)
    return LayerTrace(steps, (trace,), textbook)


LOSS_STEPS = 8
"""Steps with a loss that are followed by lag where all of them cost too much: spread over the
sequences, from the last one on. Their sum then stands for the gradient of the whole loss."""

AFFORDABLE = 25_000
"""Steps back, of all losses and layers, that take a second or two: all losses of 200 steps."""


def _compare_lags(runs: Runs, top_tbs: FloatArray, setup: TraceSetup) -> Gram | None:
    """Inner products of the lags' gradients under the recorded losses, where that is asked for."""
    if not setup.compare_lags or len(runs[0]) == 2:
        return None
    stack = [run for (run,) in runs]
    loss_tbh = top_tbs[..., : stack[-1].cell.output_size]
    present = np.flatnonzero(loss_tbh.any(axis=(1, 2)))
    if not present.size:
        return None
    losses = _losses(loss_tbh, present)
    if not _affordable(stack, losses):
        # From the last one on: it has the most lags.
        some = present[::-1][:: -(-len(present) // LOSS_STEPS)][::-1]
        losses = _losses(loss_tbh, some)
    gram = measure_lag_gradients(stack, losses, setup.biases)
    return replace(gram, loss_steps=(len(losses.steps), len(present)))


def _losses(loss_tbh: FloatArray, chosen: IntArray) -> Losses:
    steps = tuple(int(t) + 1 for t in chosen)
    return Losses(steps, loss_tbh[chosen][:, None], independent=False)


def _affordable(stack: Sequence[LayerRun], losses: Losses) -> bool:
    """Whether all lags of all losses fit into time and memory."""
    in_time = len(stack) * sum(losses.steps) <= AFFORDABLE
    return in_time and lags_that_fit(stack, losses) >= max(losses.steps)


def _longest(run: LayerRun, lengths: IntArray) -> LayerRun:
    """The run of the longest sequences: the others end in padding."""
    longest = lengths == lengths.max()
    if longest.all():
        return run
    return run_layer(run.cell, run.inputs_tbi[:, longest], run.starts[0][longest])
