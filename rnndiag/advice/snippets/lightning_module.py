"""The advised clip value and chunk for Lightning 2.

Trainer clips by itself only under automatic optimization. Truncated back-propagation needs manual
optimization since `truncated_bptt_steps` was removed in 2.0, and there a module clips its own
gradients: https://lightning.ai/docs/pytorch/stable/common/tbptt.html and
https://lightning.ai/docs/pytorch/stable/advanced/training_tricks.html#gradient-clipping.
"""

from __future__ import annotations

from rnndiag.advice.clipping import ClippingAdvice
from rnndiag.advice.snippets.base import DETACH, Framework, indented
from rnndiag.advice.truncation import TruncationAdvice

_LOG = 'self.log("grad_norm", grad_norm(self, norm_type=2)["grad_2.0_norm_total"])  # unclipped'


def lightning_module(clipping: ClippingAdvice, truncation: TruncationAdvice) -> str:
    """Arguments of Trainer where whole sequences are propagated, else a training step."""
    clip = f'gradient_clip_val={clipping.max_norm:g}, gradient_clip_algorithm="norm"'
    if truncation.chunk is None:
        lines = [
            "from lightning.pytorch import LightningModule, Trainer",
            "from lightning.pytorch.utilities import grad_norm",
            "",
            "class Recurrent(LightningModule):  # add this method to yours",
            "    def on_before_optimizer_step(self, optimizer):",
            f"        {_LOG}",
            "",
            f"trainer = Trainer({clip})",
        ]
        return "\n".join(lines)
    step = [
        "output, state = self.model(x_chunk, state)",
        "loss = self.criterion(output, y_chunk)",
        "optimizer.zero_grad()",
        "self.manual_backward(loss)",
        _LOG,
        "self.clip_gradients(",
        f"    optimizer, {clip}",
        ")",
        "optimizer.step()",
        DETACH,
    ]
    chunk = truncation.chunk
    lines = [
        "from lightning.pytorch import LightningModule",
        "from lightning.pytorch.utilities import grad_norm",
        "",
        "class Recurrent(LightningModule):  # add these lines to yours; Trainer must not clip",
        "    automatic_optimization = False",
        "",
        "    def training_step(self, batch, batch_idx):",
        "        x, y = batch  # x: (steps, batch, features)",
        "        optimizer, state = self.optimizers(), None",
        f"        for x_chunk, y_chunk in zip(x.split({chunk}), y.split({chunk})):",
        *indented(step, 12),
    ]
    return "\n".join(lines)


FRAMEWORK = Framework("lightning", "Lightning 2", lightning_module)
