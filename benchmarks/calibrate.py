"""What the verdict and the rules say of a folder of checkpoints, as tables in Markdown.

    python benchmarks/calibrate.py FOLDER [--seq-len 200]

Thresholds are to be judged on files of people who had no part in choosing them. The tables are
those of docs/calibration.md, which says why each row is right.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from rnndiag.analysis import LayerResult, Request
from rnndiag.gate import check_paths
from rnndiag.measure.drive_trace import DriveTrace
from rnndiag.measure.trace import LayerTrace
from rnndiag.measure.verdict import EXPLODING_DECADES
from rnndiag.report import FileReport
from rnndiag.tracing import TraceRequest


def table(head: Sequence[str], rows: Iterator[Sequence[object]]) -> str:
    """One table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


class Traced(NamedTuple):
    """A layer with its trace, and the name of its file."""

    file: str
    item: LayerResult
    trace: LayerTrace


def traced(files: Sequence[FileReport]) -> Iterator[Traced]:
    """Every layer that has a trace."""
    for file in files:
        for item in file.result.layers if file.result else ():
            if item.trace is not None:
                yield Traced(file.path.rpartition("/")[2], item, item.trace)


def explodes(drive: DriveTrace) -> bool:
    """The bare threshold, without the rate's interval."""
    return drive.overflow_step is not None or drive.decay.growth_log10 >= EXPLODING_DECADES


def criteria(files: Sequence[FileReport]) -> Iterator[Sequence[object]]:
    """How many layers each of several criteria would call exploding."""
    layers = list(traced(files))

    def row(what: str, holds: Callable[[Traced], bool]) -> Sequence[object]:
        hit = [layer for layer in layers if holds(layer)]
        return what, len(hit), len({layer.file for layer in hit})

    yield "layers traced", len(layers), len({layer.file for layer in layers})
    yield row("a block of W_hh with ρ > 1", radius_above_one)
    yield row("3 decades under any one of zero, weak, normal", lambda layer: any(noise(layer)))
    yield row("3 decades under all of zero, weak, normal", lambda layer: all(noise(layer)))
    yield row("the verdict: exploding", lambda layer: layer.trace.verdict == "exploding")


def noise(layer: Traced) -> list[bool]:
    """Whether the gradient explodes under each of the synthetic drives."""
    return [explodes(d) for d in layer.trace.drives if d.drive in {"zero", "weak", "normal"}]


def radius_above_one(layer: Traced) -> bool:
    """What common advice looks at."""
    blocks = layer.item.spectrum.blocks if layer.item.spectrum else ()
    return any((block.spectral_radius or 0.0) > 1.0 for block in blocks)


def verdicts(files: Sequence[FileReport]) -> Iterator[Sequence[object]]:
    """Every layer's verdict and what it rests on."""
    for name, item, trace in traced(files):
        names = ", ".join(drive.drive for drive in trace.drives if drive.deciding)
        grown = [f"{d.drive} 10^{d.decay.growth_log10:.1f}" for d in trace.drives if explodes(d)]
        yield (
            *(name, item.layer.label, item.layer.cell.upper(), trace.seq_len, names),
            *(trace.verdict, f"10^{trace.headline.log10_gradient_norm[-1]:.1f}"),
            ", ".join(grown) or "-",
        )


def findings(files: Sequence[FileReport]) -> Iterator[Sequence[object]]:
    """How often each rule spoke, and in which files."""
    found = [(file.path.rpartition("/")[2], f) for file in files for f in file.findings]
    for code, severity in sorted({(f.code, f.severity) for _, f in found}):
        names = Counter(name for name, f in found if (f.code, f.severity) == (code, severity))
        yield code, severity, sum(names.values()), ", ".join(sorted(names))


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--seq-len", type=int)
    given = parser.parse_args()
    request = Request(spectrum=True, trace=TraceRequest(seq_len=given.seq_len))
    files, skipped = check_paths([given.folder], request)
    print(f"{len(files)} files measured or refused, {len(skipped)} skipped.\n")
    print(table(("criterion", "layers", "files"), criteria(files)))
    print(table(("rule", "severity", "findings", "files"), findings(files)))
    head = ("file", "layer", "cell", "steps", "deciding", "verdict", "left", "3 decades under")
    print(table(head, verdicts(files)))


if __name__ == "__main__":
    main()
