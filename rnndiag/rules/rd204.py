"""The eigenvalues of W_hh are ill-conditioned: rounding alone moves them this far.

For a matrix that is far from normal, a change of its entries in the last bit moves eigenvalues by
much more than a bit: a rotated 100×100 matrix whose eigenvalues are all 0 shows a spectral radius
of 0.7 in double precision. Comparing with the transpose does not show it, both being wrong by as
much. The uncertainty that is quoted is how far towards 0 the largest eigenvalue could move by a
change of the matrix as small as the eigenvalue solver's own rounding.

Remedy: believe singular values, transient growth and the measured rate; quote no digits of the
spectral radius beyond the uncertainty.
"""

from collections.abc import Iterable

from rnndiag.analysis import FileResult
from rnndiag.rounding import judged
from rnndiag.rules.base import Degree, Finding, Rule
from rnndiag.rules.needs import POWERS
from rnndiag.rules.spectra import mapped


def check(result: FileResult, rule: Rule) -> Iterable[Finding]:
    """One finding for each layer whose radius is that uncertain."""
    for layer in mapped(result):
        uncertainty = layer.state_map.eigenvalue_uncertainty
        if (
            uncertainty is not None
            and layer.radius
            and judged(uncertainty / layer.radius) >= rule.limit
        ):
            yield rule.finding(
                layer.label,
                "eigenvalues of W_hh are ill-conditioned: the spectral radius, "
                f"{layer.radius:.4g}, may be {uncertainty:.2g} smaller by rounding alone",
                "believe singular values and the measured rate instead",
                {
                    "spectral_radius": layer.radius,
                    "eigenvalue_uncertainty": uncertainty,
                },
            )


RULE = Rule(
    code="RD204",
    title="ill-conditioned eigenvalues",
    severity="note",
    threshold="uncertainty of the spectral radius at least {limit:g} of it",
    source="a radius that is off by a hundredth is off by a factor of e after 100 steps; trained "
    "networks have 1e-13",
    documentation=__doc__ or "",
    check=check,
    needs=(POWERS,),
    degree=Degree("eigenvalue_uncertainty"),
    limit=0.01,
)
