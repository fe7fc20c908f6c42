"""Weight decay has shrunk the recurrence: most of W_hh is far below where training starts.

Weight decay pulls every weight towards zero, and W_hh has no more than the loss to hold against it.
Where it wins, a few entries carry what the loss insists on and the rest is next to nothing: the
median |entry| is far below 1/(2√hidden), PyTorch's start, and small beside the root mean square. (A
network may still solve its task like that, if little memory is enough.) Where not even a few
entries are held, W_hh fills a smaller box as evenly as it was drawn: then no gradient came, and
decay did all. Adam with `weight_decay` shrinks such weights within some hundred steps, since it
divides the decay by its own size; AdamW takes the reciprocal of learning rate times decay.

Entries that are exactly zero (pruning) are not counted, a matrix that keeps a large diagonal (an
identity start) is not meant, nor is a small start of normal or uniform shape, unless the
optimizer's state in the file has a weight decay; where it names a decay of zero, nothing is said. A
recurrence of which nothing is left is RD107's.

Remedy: leave recurrent weights out of weight decay (a parameter group of their own with
`weight_decay=0`), or lower it; with Adam, take AdamW. Nothing, if the memory that is left is what
the task needs: `rnndiag bptt-trace` shows it.
"""

from collections.abc import Iterable

from rnndiag.analysis import FileResult, LayerResult
from rnndiag.measure.start import Start
from rnndiag.rounding import judged
from rnndiag.rules.base import Degree, Finding, Rule
from rnndiag.rules.needs import LAYERS

CONCENTRATED = 0.4
"""Median over root mean square below which few entries carry W_hh. 62 layers of real files have
0.46 and more, untrained ones 0.67 (normal) and 0.87 (uniform); networks trained with a decay that
won had 0.01 to 0.38."""

FEWEST = 64
"""Entries from which a median is worth something: of so many drawn evenly, half are below a quarter
of the box in one case of 40,000."""


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for each layer whose W_hh has shrunk, but not to nothing."""
    decay = None if result.training_state is None else result.training_state.weight_decay
    for item in result.layers:
        begun = item.weights.start
        if begun is None or decay == 0.0 or judged(begun.median_share) >= rule.limit:
            continue
        if _is_decayed(item, begun, decay):
            yield _finding(item, begun, decay, rule)


def _is_decayed(item: LayerResult, begun: Start, decay: float | None) -> bool:
    """Whether it is decay that made W_hh small, and no small start."""
    if item.layer.weight_hh.size < FEWEST or begun.diagonal_share >= 1.0:
        return False
    trained = item.weights.moved_from_init["weight_ih"]
    return bool(decay) or begun.concentration < CONCENTRATED or (begun.even and trained)


def _finding(item: LayerResult, begun: Start, decay: float | None, rule: Rule) -> Finding:
    by = f" (weight decay {decay:g} in the optimizer's state)" if decay else ""
    share = (
        f"half of the entries of W_hh are below {begun.median_share:.2g} of where PyTorch starts"
    )
    how = (
        "evenly, so no gradient formed it" if begun.even else "and few entries carry the recurrence"
    )
    return rule.finding(
        item.layer.label,
        f"recurrence shrunk as by weight decay{by}: {share}, {how}",
        "check that sequences have more than one step, and leave W_hh out of weight decay"
        if begun.even
        else "leave W_hh out of weight decay or lower it, if the task needs more memory",
        {
            "median_share": begun.median_share,
            "concentration": begun.concentration,
            "weight_decay": decay,
        },
    )


RULE = Rule(
    code="RD106",
    title="recurrence shrunk by weight decay",
    severity="warning",
    threshold="median |entry| of W_hh that is not zero below {limit:g} of 1/(2√hidden)",
    source="62 layers of real files have 0.68 and more, networks whose decay won 0.003 to 0.44; "
    "Krogh & Hertz 1991 on what decay leaves",
    documentation=__doc__ or "",
    check=check,
    needs=(LAYERS,),
    degree=Degree("median_share", worse="lower"),
    yields_to=("RD107",),
    limit=0.5,
)
