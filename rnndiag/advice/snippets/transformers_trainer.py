"""The advised clip value for transformers' Trainer, which cannot truncate.

`max_grad_norm` of TrainingArguments is 1.0 by default and 0 switches clipping off; Trainer logs the
norm before clipping as `grad_norm`, also in trainer_state.json:
https://huggingface.co/docs/transformers/main_classes/trainer.
"""

from __future__ import annotations

from rnndiag.advice.clipping import ClippingAdvice
from rnndiag.advice.snippets.base import Framework
from rnndiag.advice.truncation import TruncationAdvice


def transformers_trainer(clipping: ClippingAdvice, truncation: TruncationAdvice) -> str:
    """TrainingArguments, and what Trainer has no argument for."""
    lines = [
        "from transformers import Trainer, TrainingArguments",
        "",
        f'arguments = TrainingArguments(output_dir="out", max_grad_norm={clipping.max_norm:g}, '
        "logging_steps=1)",
        "trainer = Trainer(model=model, args=arguments, train_dataset=train_dataset)",
        "trainer.train()",
        "# Norms before clipping are then in out/checkpoint-*/trainer_state.json, for --norms.",
    ]
    if truncation.chunk is not None:
        lines += [
            "# Trainer has no truncated back-propagation through time and carries no state from",
            f"# batch to batch. To detach every {truncation.chunk} steps, write the loop of",
            "# `rnndiag suggest --for torch`.",
        ]
    return "\n".join(lines)


FRAMEWORK = Framework("transformers", "transformers", transformers_trainer)
