"""The optimizer's state fits no order of the model's weights.

Optimizers store their averages by number, in the order in which they were given the parameters. The
shapes of these averages fit the tensors of the model in no order of the file: the state belongs to
another model, or to an earlier version of this one, or it also covers parameters that are not in
this file. Resumed from such a pair torch raises an error, or, where only the order differs, steps
with another parameter's averages and says nothing. Where several orders fit nothing is
contradicted, and nothing is said.

Remedy: save the model and the optimizer together; resume with a fresh optimizer if in doubt.
"""

from collections.abc import Iterable

from rnndiag.analysis import FileResult
from rnndiag.rules.base import Finding, Rule
from rnndiag.rules.needs import OPTIMIZER
from rnndiag.rules.training import OPTIMIZER_LABEL


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for a state that fits nothing."""
    state = result.training_state
    if state is not None and state.contradicted:
        yield rule.finding(
            OPTIMIZER_LABEL,
            f"the optimizer's state does not match the weights: {state.not_mapped}",
            "save model and optimizer together; resume with a fresh optimizer if in doubt",
            {"parameters": state.parameters},
        )


RULE = Rule(
    code="RD404",
    title="optimizer state does not match the weights",
    severity="note",
    threshold="shapes that fit in no order",
    source="torch.optim.Optimizer.load_state_dict maps averages to parameters by order alone",
    documentation=__doc__ or "",
    check=check,
    needs=(OPTIMIZER,),
)
