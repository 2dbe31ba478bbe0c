"""Sampled economies and learners, installed as `pycrld_econ.validation`.

`backend` compiles plain Python rules for processor threads and for CUDA, with random numbers that are a function of
their counter. `simulators` play games in batches. `learners` improve from what they play. `bridge` compares them with
the deterministic theory of `pycrld_econ.agents`. `experiments` are what the command line trains.
"""
