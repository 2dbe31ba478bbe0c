"""Opponent shaping from samples: LOLA-DiCE, POLA-DiCE and POLA with opponent models.

`networks` are recurrent policies and values, `objectives` what is differentiated, `reference` the gradient through the
opponent's learning by automatic differentiation, `adjoint` the same gradient by its structure (`passes`), `play` the
sampling, `learning` the updates and `evaluation` how well players do.
"""
