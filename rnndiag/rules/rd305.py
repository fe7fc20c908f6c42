"""Memory cells of an LSTM that no loss can reach.

A loss sees a cell state c only through h = o·tanh(c), with the slope o(1 − tanh² c). Where the mean
of that slope over the second half of a run is below 10^-6 the cell is dead: its content does not
change the output and no gradient comes back to it. It happens to cells that saturate (|c| of 15: a
counter that ran away) or whose output gate is shut. The share is the smallest over the deciding
drives, since another input may well reach a cell that this one does not.

Remedy: a smaller forget-gate bias or a penalty on the cell state stops cells from running away;
fewer units do as well if the loss is good as it is. Long time constants that a spectrum reports may
belong to such cells: they are no memory.
"""

from collections.abc import Iterable

from rnndiag.analysis import FileResult
from rnndiag.rounding import judged
from rnndiag.rules.base import Degree, Finding, Rule
from rnndiag.rules.needs import LSTM_TRACE
from rnndiag.rules.traces import names, traced


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for each LSTM with so large a share of dead cells."""
    for layer in traced(result):
        counts = [drive.dead_cells for drive in layer.deciding if drive.dead_cells is not None]
        dead, cells = min(counts, default=0), layer.item.layer.hidden_size
        if dead and judged(dead / cells) >= rule.limit:
            yield rule.finding(
                layer.label,
                f"{dead} of {cells} memory cells are dead: no loss reaches them under "
                f"{names(layer.deciding)} input",
                "a smaller forget bias or a penalty on the cell state keeps cells in reach",
                {"dead_cells": dead, "cells": cells},
            )


RULE = Rule(
    code="RD305",
    title="dead memory cells",
    severity="warning",
    threshold="mean o(1 − tanh² c) below 1e-6 in at least {limit:g} of the cells, under every "
    "deciding drive",
    source="a trained LSTM's slowest modes sat in cells at 1e-12; on synthetic input 7 LSTM "
    "layers of 35 published files have such cells, and one in a hundred is no matter",
    documentation=__doc__ or "",
    check=check,
    needs=(LSTM_TRACE,),
    degree=Degree("dead_cells"),
    limit=0.01,
)
