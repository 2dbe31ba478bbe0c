"""Where sampled runs and the deterministic theory meet; nothing here knows a game or an algorithm."""

from pycrld_econ.validation.bridge.compare import Comparison, compare, compare_learner
from pycrld_econ.validation.bridge.diffusion import predicted_spread, update_covariance
from pycrld_econ.validation.bridge.enumerate import enumerate_simulator
from pycrld_econ.validation.bridge.intervals import Interval, bootstrap, exact_share
from pycrld_econ.validation.bridge.limit import LimitTest, limit_test
from pycrld_econ.validation.bridge.which_limit import WhichLimit, named_limits, which_limit

__all__ = [
    "Comparison",
    "Interval",
    "LimitTest",
    "WhichLimit",
    "bootstrap",
    "compare",
    "compare_learner",
    "enumerate_simulator",
    "exact_share",
    "limit_test",
    "named_limits",
    "predicted_spread",
    "update_covariance",
    "which_limit",
]
