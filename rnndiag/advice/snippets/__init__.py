"""Code to paste. One file per framework."""

from __future__ import annotations

from rnndiag.advice.snippets import lightning_module, torch_loop, transformers_trainer
from rnndiag.advice.snippets.base import Framework

__all__ = ["FRAMEWORKS", "Framework"]

FRAMEWORKS: dict[str, Framework] = {
    framework.name: framework
    for framework in (
        torch_loop.FRAMEWORK,
        lightning_module.FRAMEWORK,
        transformers_trainer.FRAMEWORK,
    )
}
"""By the name that --for takes, the default first."""
