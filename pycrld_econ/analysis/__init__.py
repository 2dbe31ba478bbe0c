"""Dynamical-systems analysis for any learning dynamics."""

from pycrld_econ.analysis.fixed_points import FixedPoint, FixedPointClass, FixedPoints, fixed_points

__all__ = ["FixedPoint", "FixedPointClass", "FixedPoints", "fixed_points"]
