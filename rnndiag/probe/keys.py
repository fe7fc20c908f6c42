"""How a probe file names what it holds.

A module's tensors are `<module>/<what>`; the rest belongs to no module.
"""

VERSION_KEY = "rnndiag_probe"
"""In the metadata: that it is a probe, and of which version."""

VERSION = "1"

KIND = "kind:"
"""In the metadata, before a module's name: rnn_tanh, rnn_relu, gru or lstm."""

NORM = "gradient_norm"
"""Norm of the whole parameter gradient by step."""

NORM_OF = ":gradient_norm"
"""Behind a parameter's name, so that it looks like no parameter: its gradient's norm by step."""

LOSS = "loss"
"""The losses that were noted."""
