"""The recurrence is zero, or nearly: the layer takes next to nothing from its past state.

The largest sum of |entries| of a row of W_hh bounds what a state within ±1 adds to a unit's input.
Where it is below the threshold, the past moves no gate by more than a quarter of that, and no tanh
by more than that: a plain RNN is then a layer without memory. An LSTM still has its cell state, a
GRU what its update gate keeps, but no gate looks at it. Weight decay with Adam ends there within
some hundred steps if no gradient comes; an L1 penalty, pruning and dead units do, too. A small
network is not called so where PyTorch may have drawn all of its entries that small.

Remedy: if memory is wanted, find out why no gradient holds W_hh against weight decay (sequences of
one step, a state that is reset or detached), leave W_hh out of decay, and train again from a fresh
W_hh: weights of zero come back slowly. Else a linear layer, or one that is cheaper, does the same.
"""

from collections.abc import Iterable

from rnndiag.analysis import FileResult, LayerResult
from rnndiag.measure.start import SIGNIFICANCE
from rnndiag.rounding import judged
from rnndiag.rules.base import Degree, Finding, Rule
from rnndiag.rules.needs import LAYERS

KEPT = {
    "lstm": "; only its cell state, kept by gates that do not see the past, is left of its memory",
    "gru": "; only what its update gate, which does not see the past, keeps is left of its memory",
}


def zeroed(item: LayerResult, limit: float) -> bool:
    """Whether no state within ±1 moves a unit's input by this much, and that is no draw."""
    begun = item.weights.start
    return (
        begun is not None
        and judged(begun.largest_row) < limit
        and begun.chance_so_small < SIGNIFICANCE
    )


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for each layer whose W_hh does next to nothing."""
    for item in result.layers:
        begun = item.weights.start
        if begun is None or not zeroed(item, rule.limit):
            continue
        row = begun.largest_row
        how = f"no state within ±1 moves a unit's input by more than {row:.2g}" if row else ""
        what = f"W_hh is next to zero ({how})" if row else "all of W_hh is zero"
        yield rule.finding(
            item.layer.label,
            f"recurrence zeroed: {what}{KEPT.get(item.layer.cell, '')}",
            "find out why no gradient holds it against weight decay, and start from a fresh W_hh",
            {"largest_row": row},
        )


RULE = Rule(
    code="RD107",
    title="recurrence zeroed",
    severity="warning",
    threshold="largest sum of |entries| of a row of W_hh below {limit:g}",
    source="moves a gate by a hundredth at most. 62 layers of real files have 0.97 and more; "
    "networks whose decay met no gradient 0.012 after 100 steps of Adam at 0.01, 2e-9 after 400",
    documentation=__doc__ or "",
    check=check,
    needs=(LAYERS,),
    degree=Degree("largest_row", worse="lower"),
    limit=0.05,
)
