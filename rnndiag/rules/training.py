"""What rules on training share."""

OPTIMIZER_LABEL = "(optimizer)"
"""Where findings of an optimizer's state as a whole stand, in a layer's place."""

PROBE_LABEL = "(probe)"
"""Where findings of what a probe recorded of whole steps stand."""
