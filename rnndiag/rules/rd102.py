"""The recurrence was never trained: W_hh still lies inside the box it was initialised in.

PyTorch draws every weight of a recurrent layer from ±1/√hidden. Training moves weights out of that
box. Where weight_ih has left it and not one entry of weight_hh has, the layer learnt from its
inputs and its recurrence did not learn: its sequences had length 1, the state was reset or detached
at every step, or W_hh was frozen. Only weight_ih counts as a witness, since biases are often set by
hand (a forget bias of 1 leaves the box before any training). If the share p of W_ih's entries is
outside, the n entries of W_hh all stay inside by chance with probability (1 − p)^n, supposed that
training moves both alike; the finding is given where that is small, so not in networks of few
units. A layer that was initialised otherwise (orthogonal, Xavier) starts outside the box and is not
found out.

Remedy: check that training sequences are longer than one step and that the hidden state is carried
from step to step without detach(). If the layer needs no memory, a linear layer does the same.
"""

from collections.abc import Iterable

from rnndiag.analysis import FileResult
from rnndiag.measure.weights import UNTRAINED
from rnndiag.rules.base import Finding, Rule
from rnndiag.rules.needs import LAYERS


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for each layer whose weight_ih moved and whose weight_hh did not."""
    for item in result.layers:
        chance = item.weights.chance_of_staying
        if chance is not None and chance < rule.limit and not item.weights.non_finite:
            box = item.layer.hidden_size**-0.5
            yield rule.finding(
                item.layer.label,
                f"recurrence never trained: every entry of W_hh is still within ±{box:.3g}, where "
                "it was initialised, while W_ih has left it",
                "check that sequences have more than one step and that no state is detached",
                {"initialisation_bound": box, "chance_of_staying": chance},
            )


RULE = Rule(
    code="RD102",
    title="recurrence never trained",
    severity="warning",
    threshold="W_hh within ±1/√hidden and W_ih not, at a chance below {limit:g} if training moved "
    "both alike",
    source="torch.nn.RNNBase.reset_parameters draws all weights from that box; seen in real "
    "checkpoints, one of them trained on sequences of length 1. Without the chance a trained "
    "network of 3 units fired, whose W_ih has two entries of 9 outside",
    documentation=__doc__ or "",
    check=check,
    needs=(LAYERS,),
    limit=UNTRAINED,
)
