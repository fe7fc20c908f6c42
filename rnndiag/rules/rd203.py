"""Powers of W_hh grow a lot before they decay, although every eigenvalue is below 1.

The largest ‖Wᵏ‖₂ over k up to 1000 is above the threshold while the spectral radius is below 1. The
eigenvalues promise decay; on the way there a perturbation of the state, or a gradient, may be
magnified by that factor for some steps, and a saturating activation can keep it there (W with all
eigenvalues 0 can be chaotic). Any matrix that is not normal has some of it: the default
initialisation 1.07 to 1.16.

Remedy: look at the measured gradient (`rnndiag bptt-trace`), which has the activation in it, before
anything is changed. Clipping by norm helps against the rare large gradient; an orthogonality
penalty on W_hh makes it more normal.
"""

from collections.abc import Iterable

from rnndiag.analysis import FileResult
from rnndiag.rounding import judged
from rnndiag.rules.base import Degree, Finding, Rule
from rnndiag.rules.needs import POWERS
from rnndiag.rules.spectra import mapped


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for each layer over the threshold."""
    for layer in mapped(result):
        growth = layer.state_map.transient_growth
        if growth is not None and judged(growth) > rule.limit:
            yield rule.finding(
                layer.label,
                f"powers of W_hh grow to {growth:.4g} times at step "
                f"{layer.state_map.transient_growth_step} although the "
                f"spectral radius is {layer.radius:.4g}",
                "look at the measured gradient with rnndiag bptt-trace; clip gradients by norm",
                {
                    "transient_growth": growth,
                    "transient_growth_step": layer.state_map.transient_growth_step,
                    "spectral_radius": layer.radius,
                },
            )


RULE = Rule(
    code="RD203",
    title="transient growth",
    severity="warning",
    threshold="largest norm of a power of W_hh above {limit:g} at a spectral radius below 1",
    source="ten times what the default initialisation has (1.07-1.16); transient growth as in "
    "Trefethen & Embree 2005, chapter 14",
    documentation=__doc__ or "",
    check=check,
    needs=(POWERS,),
    degree=Degree("transient_growth"),
    limit=10.0,
)
