"""Dynamical-systems analysis for any learning dynamics."""

from pycrld_econ.analysis.basins import (
    BasinImage,
    Basins,
    basin_entropy,
    basin_image,
    basins,
    boundary,
    slice_starts,
    uncertainty_exponent,
)
from pycrld_econ.analysis.certificate import Certificate, Proof, certify
from pycrld_econ.analysis.chart import Chart, chart_of, complex_step
from pycrld_econ.analysis.continuation import (
    Bifurcation,
    BifurcationKind,
    Branch,
    BranchStatus,
    continuation,
)
from pycrld_econ.analysis.fixed_points import FixedPoint, FixedPointClass, FixedPoints, fixed_points
from pycrld_econ.analysis.interior import interior_fixed_points
from pycrld_econ.analysis.lyapunov import Lyapunov, Regime, lyapunov
from pycrld_econ.analysis.manifolds import inverse_step, manifolds
from pycrld_econ.analysis.regimes import (
    Diagram,
    Motion,
    Verdict,
    bifurcation_diagram,
    period_of,
    verdict,
)
from pycrld_econ.analysis.switching import Branches, branches

__all__ = [
    "BasinImage",
    "Basins",
    "Bifurcation",
    "BifurcationKind",
    "Branch",
    "BranchStatus",
    "Branches",
    "Certificate",
    "Chart",
    "Diagram",
    "FixedPoint",
    "FixedPointClass",
    "FixedPoints",
    "Lyapunov",
    "Motion",
    "Proof",
    "Regime",
    "Verdict",
    "basin_entropy",
    "basin_image",
    "basins",
    "bifurcation_diagram",
    "boundary",
    "branches",
    "certify",
    "chart_of",
    "complex_step",
    "continuation",
    "fixed_points",
    "interior_fixed_points",
    "inverse_step",
    "lyapunov",
    "manifolds",
    "period_of",
    "slice_starts",
    "uncertainty_exponent",
    "verdict",
]
