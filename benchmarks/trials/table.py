"""The tables that the benchmark prints, as plain text or Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from trials.checking import UNDECLARED, WAYS, Answer
from trials.scoring import CLASSES, SAID, Confusion, Errors, Judged, Target, cause, wrong

Row = Sequence[object]


def laid_out(head: Row, rows: Iterable[Row], markdown: bool) -> str:
    """One table: columns as wide as they need, or as Markdown has them."""
    lines = [[str(value) for value in row] for row in (head, *rows)]
    if markdown:
        lines.insert(1, ["---"] * len(head))
        return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return (
        "\n".join(
            "  ".join(
                value.ljust(width) for value, width in zip(line, widths, strict=True)
            ).rstrip()
            for line in lines
        )
        + "\n"
    )


def confusion(judged: Sequence[Judged], markdown: bool) -> str:
    """How often what was said of what."""
    head = ("check with", "network", "networks", *SAID)

    def rows() -> Iterator[Row]:
        for way in (*WAYS, UNDECLARED):
            found = Confusion.of(way, judged)
            for what, counts in (("exploding", found.exploding), ("healthy", found.healthy)):
                yield way, what, counts.total(), *(counts[said] for said in SAID)

    return laid_out(head, rows(), markdown)


def errors(judged: Sequence[Judged], markdown: bool) -> str:
    """How far shown figures are from the truth: median / 90 %."""
    head = ("check with", "class", "networks", "log10 φ at lag 20", "half-life", "horizon to 1e-3")

    def rows() -> Iterator[Row]:
        for way in WAYS:
            for kind in CLASSES:
                e = Errors.of(way, kind, judged)
                yield (
                    *(way, kind, e.networks),
                    f"{e.at_lag[0]:.2f} / {e.at_lag[1]:.2f}",
                    f"×{e.half_life[0]:.2f} / ×{e.half_life[1]:.2f}",
                    f"×{e.horizon[0]:.2f} / ×{e.horizon[1]:.2f}, one-sided {e.one_sided}",
                )

    return laid_out(head, rows(), markdown)


def targets(found: Sequence[Target], markdown: bool) -> str:
    """Every promise, kept or missed."""
    head = ("promise", "found", "promised", "")
    rows = (
        (
            target.what,
            f"{target.value:.3g}",
            f"{'≤' if target.at_most else '≥'} {target.promised:.3g}",
            "kept" if target.met else "MISSED",
        )
        for target in found
    )
    return laid_out(head, rows, markdown)


def false_verdicts(judged: Sequence[Judged]) -> Iterator[str]:
    """One line for each, with what it stood on and why it is wrong, as far as that can be told."""
    for way in WAYS:
        for each in wrong(judged, way):
            answer = each.answers[way]
            what = "missed" if each.trained.exploding else "FALSE ERROR"
            if each.trained.exploding and answer.said != "clean":
                what = answer.said
            grown = ", ".join(f"10^{growth:.1f}" for growth in each.trained.growths)
            yield (
                f"{way}: {what}: {each.trained.recipe.name} ({each.trained.recipe.key}): "
                f"{stood_on(answer)}; truth {grown} in {each.trained.recipe.steps}; "
                f"{cause(each, way)}"
            )
    for each in judged:
        if each.only_as_relu and each.answers[UNDECLARED].said != "unsure":
            answer = each.answers[UNDECLARED]
            name = each.trained.recipe.name
            yield f"{UNDECLARED}: {answer.said}: {name}: {stood_on(answer)}"


def stood_on(answer: Answer) -> str:
    """Growth under every drive (deciding ones with a star), basis and length."""
    drives = ", ".join(
        f"{drive.name}{'*' if drive.deciding else ''} 10^{drive.growth:.1f}"
        for drive in answer.drives
    )
    steps = f"{answer.steps} steps" if answer.steps else answer.message
    return "; ".join(filter(None, (answer.basis, drives, steps)))
