"""Sampled economies and learners, installed as `pycrld_econ.validation`.

So far no simulator and no learner is in it: it holds the pytest option of this repository's own tests.
"""
