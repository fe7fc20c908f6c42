"""One line a layer or finding, for pipes, grep and CI logs; nothing is wrapped or cut."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rnndiag.escape import printable
from rnndiag.render.base import Screen, grade, length_advice, number, stale_entries
from rnndiag.rounding import power_of_ten
from rnndiag.rules.base import SEVERITIES

if TYPE_CHECKING:
    # Each command measured its own part, and the rest of what can be shown is not loaded for it.
    from rnndiag.advice import ClippingAdvice, TruncationAdvice
    from rnndiag.analysis import FileResult, LayerResult
    from rnndiag.comparison import LayerComparison
    from rnndiag.measure.spectrum import Spectrum
    from rnndiag.report import FileReport, Report


def render(report: Report, _: Screen) -> str:
    """`path:layer: key=value …` for measures, `path:layer: CODE severity message` for findings."""
    lines = [line for file in report.files for line in _file(report, file)]
    lines += [line for layer in report.comparison for line in _comparison(layer)]
    lines += [f"{printable(s.name)}: skipped: {printable(s.reason)}" for s in report.skipped_files]
    lines += map(printable, stale_entries(report))
    lines += map(printable, length_advice(report))
    if report.command == "check":
        lines.append(summary(report))
    return "".join(f"{line}\n" for line in lines)


def summary(report: Report) -> str:
    """The last line of a gate: how many of what."""
    errors = sum(file.error is not None for file in report.files)
    grades = [grade(finding) for finding in report.findings]
    counts = {
        "files": len(report.files) - errors,
        **{f"{severity}s": grades.count(severity) for severity in reversed(SEVERITIES)},
        "unreadable": errors,
        "skipped": len(report.skipped_files),
    }
    if report.baseline is not None:
        counts |= {"accepted": grades.count("accepted"), "stale": len(report.baseline.stale)}
    said = f"{report.status}: {', '.join(f'{name} {count}' for name, count in counts.items())}"
    return f"{said}; {report.let_pass}" if report.let_pass else said


def _file(report: Report, file: FileReport) -> Iterator[str]:
    path = printable(file.path)
    if file.result is not None and report.command not in {"check", "diff"}:
        for item in file.result.layers:
            of_file = health(item) if report.command == "inspect" else length(file.result)
            shown = " ".join(f"{key}={value}" for key, value in (*fields(item), *of_file))
            yield f"{path}:{printable(item.layer.label)}: {shown}"
        if report.command == "inspect":
            yield from (f"{path}: {line}" for line in training(file.result))
        yield from (f"{path}: {line}" for line in advice(file))
    for finding in file.findings:
        yield (
            f"{path}:{printable(finding.layer)}: {finding.code} {grade(finding)} "
            f"{printable(finding.message)}; {printable(finding.remedy)}"
        )


def fields(item: LayerResult) -> Iterator[tuple[str, str]]:
    """What was measured on a layer."""
    layer = item.layer
    yield "cell", layer.cell if layer.cell != "rnn" else f"rnn-{layer.activation}"
    yield "input", str(layer.input_size)
    yield "hidden", str(layer.hidden_size)
    if layer.projection_size is not None:
        yield "projection", str(layer.projection_size)
    yield "dtype", layer.weight_hh.dtype
    yield "non_finite", str(item.weights.non_finite)
    if item.not_measured is not None:
        yield "not_measured", printable(item.not_measured).replace(" ", "_")
    yield from _spectrum_fields(item)
    yield from _trace_fields(item)


def _comparison(layer: LayerComparison) -> Iterator[str]:
    """One line a measure, its values in the order of the files."""
    for row in layer.rows:
        values = ",".join(map(number, row.values))
        yield f"{printable(layer.label)}: {row.measure.key}={values} change={number(row.change)}"


def health(item: LayerResult) -> Iterator[tuple[str, str]]:
    """What `inspect` adds: tensors still in their initialisation box, gate memory, assumptions."""
    still = [name for name, has_moved in item.weights.moved_from_init.items() if not has_moved]
    yield "not_moved", ",".join(still) or "-"
    for tau in item.weights.gate_time_constants:
        yield f"{tau.gate}_gate_steps", number(tau.median)
    if item.in_training is not None:
        yield "input_in_training", ",".join(number(float(size)) for size in item.in_training.inputs)
        yield "hidden_in_training", number(item.in_training.hidden)
    for assumption in item.layer.assumptions:
        yield "assumed", printable(assumption).replace(" ", "_")


def length(result: FileResult) -> Iterator[tuple[str, str]]:
    """Who says how many steps are traced."""
    if result.length is not None:
        source = printable(result.length.source).replace(" ", "_")
        yield "length_basis", result.length.basis
        yield "length_source", source or "-"


def training(result: FileResult) -> Iterator[str]:
    """What `inspect` says of the whole file."""
    state = result.training_state
    if state is not None:
        yield (
            f"optimizer={state.optimizer} step={number(state.step)} "
            f"learning_rate={number(state.learning_rate)} "
            f"gradient_rms_norm={number(state.gradient_rms_norm)}"
        )
    for entry in result.recognition.unrecognised:
        shape = "x".join(map(str, entry.shape))
        yield f"not measured: {printable(entry.name)} ({shape}): {printable(entry.reason)}"
    foreign = result.checkpoint.foreign_imports
    if foreign:
        names = ",".join(map(printable, foreign))
        yield f"nothing executed; a trusting load would import {names}"


def _spectrum_fields(item: LayerResult) -> Iterator[tuple[str, str]]:
    if item.spectrum is None:
        return
    for block in item.spectrum.blocks:
        yield f"norm_{block.block}", number(block.spectral_norm)
    yield from _state_map_fields(item.spectrum)
    jacobian = item.spectrum.settling.jacobian
    yield "jacobian_at", jacobian.at
    yield "jacobian_radius", number(jacobian.spectral_radius)
    yield "jacobian_stable", "-" if jacobian.stable is None else str(jacobian.stable).lower()
    yield "time_constant", number(jacobian.time_constant)
    for rate in item.spectrum.along:
        yield f"rate_{rate.drive}", number(rate.rate)


def _state_map_fields(spectrum: Spectrum) -> Iterator[tuple[str, str]]:
    block, state_map = spectrum.blocks[0], spectrum.state_map
    if state_map is None:
        return
    yield "radius_hh", number(block.spectral_radius)
    yield "gain_hh", number(block.gain)
    yield "henrici", number(state_map.henrici)
    yield "scaled_norm", number(state_map.scaled_norm.value)
    yield "certified_contracting", str(state_map.certified_contracting).lower()
    yield "transient_growth", number(state_map.transient_growth)
    scaled = state_map.scaled_powers
    yield "transient_growth_scaled", number(None if scaled is None else scaled.growth)
    yield "eigenvalue_uncertainty", number(state_map.eigenvalue_uncertainty)


def _trace_fields(item: LayerResult) -> Iterator[tuple[str, str]]:
    if item.trace is None:
        return
    drive = item.trace.headline
    yield "verdict", item.trace.verdict
    yield "basis", item.trace.basis
    yield "seq_len", str(item.trace.seq_len)
    yield "input_drive", drive.drive
    yield "rate_per_step", number(drive.decay.rate_per_step)
    yield "half_life", number(drive.decay.half_life)
    yield "horizon_1e3", number(drive.decay.horizons[2])
    yield "growth_log10", number(drive.decay.growth_log10)
    yield "gradient_at_last_lag", power_of_ten(float(drive.log10_gradient_norm[-1]))


def advice(file: FileReport) -> Iterator[str]:
    """What `suggest` advises."""
    if file.advice is None:
        return
    yield from _clipping(file.advice.clipping)
    yield from _truncation(file.advice.truncation)
    for change in file.advice.changes:
        layers = ",".join(map(printable, change.layers))
        yield f"change: {change.what}; because {printable(change.because)}; layers={layers}"


def _clipping(clipping: ClippingAdvice) -> Iterator[str]:
    value = f"max_norm={clipping.max_norm:g} basis={clipping.basis}"
    left_out = f" norms_not_finite={clipping.non_finite}" if clipping.non_finite else ""
    yield f"clipping: {value} fires={number(clipping.fires)}{left_out}"
    present = clipping.present
    if present is not None:
        yield f"clip setting: {printable(present.name)}={present.value:g}: {present.effect}"


def _truncation(truncation: TruncationAdvice) -> Iterator[str]:
    window = "-" if truncation.window is None else f"{truncation.window[0]},{truncation.window[1]}"
    yield (
        f"truncation: status={truncation.status} lags={number(truncation.lags)} k1,k2={window} "
        f"chunk={number(truncation.chunk)} bias={number(truncation.bias_at)} "
        f"cosine={number(truncation.cosine_at)} layer={printable(truncation.layer)}"
    )
    present = truncation.present
    if present is not None:
        yield (
            f"truncation in use: steps={present.steps} source={printable(present.source)} "
            f"sliding_bias={number(present.sliding_bias)} "
            f"sliding_cosine={number(present.sliding_cosine)} "
            f"chunk_bias={number(present.chunk_bias)} chunk_cosine={number(present.chunk_cosine)} "
            f"lower_bound={str(present.lower_bound).lower()}"
        )
