"""The recurrence was never trained: W_hh still lies as it was drawn, while W_ih does not.

What decides is the distribution. PyTorch draws every weight of a recurrent layer evenly from
±1/√hidden. W_hh counts as untouched where its largest entry lies at the edge of that box, as near
as n draws would come to it, and Kolmogorov's test keeps the even distribution, each at a
probability of 0.001; so two of a thousand untouched matrices are missed. The same holds for
Xavier's and Kaiming's uniform boxes, where there are entries enough to tell them from PyTorch's box
that training has widened, and for matrices that are orthogonal to the last bits, or the identity
(unless a constraint keeps them so, as in unitary networks). A matrix that still fills its box
evenly and which weight decay has shrunk, to half of it at most, is untouched as well; one that has
shrunk further is RD106's, and one that has been trained within the box, as weight decay makes it,
is not untouched. Normal distributions are not looked for: trained matrices resemble them.

That W_ih has been trained is told by entries outside PyTorch's box. If the share p of its entries
is outside, the n entries of W_hh all stay inside by chance with probability (1 − p)^n, supposed
that training moves both alike; the finding is given where that is small, so not in networks of few
units. Where W_ih itself lies as an initialiser draws it, or, beside another start than PyTorch's,
the biases do, nothing was trained and nothing is said. Of 63 networks that were trained on
sequences and saved after 1, 2, 3, 5, 10, 30, 100 and 400 steps, two got the finding, after 2 and
after 5 steps of SGD, and none from 10 steps on. W_hh itself stops passing for untouched within 3
steps of Adam at a learning rate of 10^-3 or more, within 30 at 10^-4, and within 10 of SGD at 0.1
with momentum.

Remedy: check that training sequences are longer than one step and that the hidden state is carried
from step to step without detach(). If the layer needs no memory, a linear layer does the same; in a
reservoir, whose recurrence is meant to stay as drawn, ignore RD102.
"""

from collections.abc import Iterable

from rnndiag.analysis import FileResult, LayerResult
from rnndiag.rules.base import Finding, Rule
from rnndiag.rules.needs import LAYERS


def untrained(item: LayerResult, limit: float) -> bool:
    """Whether W_hh is as it was drawn, and W_ih is not by more than this chance."""
    chance = item.weights.chance_of_staying
    return chance is not None and chance < limit


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for each layer whose weight_ih was trained and whose weight_hh was not."""
    for item in result.layers:
        begun = item.weights.start
        if begun is not None and untrained(item, rule.limit):
            yield rule.finding(
                item.layer.label,
                f"recurrence never trained: W_hh still lies as it was drawn, {begun.drawn}, while "
                "W_ih does not",
                "check that sequences have more than one step and that no state is detached",
                {
                    "initialisation_bound": begun.bound,
                    "chance_of_staying": item.weights.chance_of_staying,
                },
            )


RULE = Rule(
    code="RD102",
    title="recurrence never trained",
    severity="warning",
    threshold="W_hh distributed as drawn and W_ih not, at a chance below {limit:g} if training "
    "moved both alike",
    source="torch.nn.RNNBase.reset_parameters draws all weights from that box; Kolmogorov 1933. "
    "Seen in real checkpoints, one of them trained on sequences of length 1. Without the chance a "
    "trained network of 3 units fired, whose W_ih has two entries of 9 outside",
    documentation=__doc__ or "",
    check=check,
    needs=(LAYERS,),
    limit=0.01,
)
