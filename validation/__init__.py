"""Sampled economies and learners, installed as `pycrld_econ.validation`.

So far this half holds nothing but the package itself: no simulator and no learner is in it yet.
"""
