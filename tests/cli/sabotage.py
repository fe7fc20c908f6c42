"""Files at whose names the installed command fails, as no file is known to make it fail."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

SITE = """
import os, signal
import rnndiag.report as report

analyse = report.analyse

def sabotaged(checkpoint, *arguments, **options):
    name = os.path.basename(checkpoint.path)
    if name == "killed.pt":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "crash.pt":
        os.kill(os.getpid(), signal.SIGSEGV)
    if name == "defect.pt":
        raise ValueError("no such thing")
    if name == "big.pt":
        raise MemoryError("Unable to allocate 12. GiB")
    return analyse(checkpoint, *arguments, **options)

report.analyse = sabotaged
"""
"""Python imports a module of this name when it starts, in worker processes as well."""


def sabotaged(folder: Path, *names: str) -> dict[str, str]:
    """Write files of these names, and return the environment in which they do harm."""
    site = folder / ".site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(SITE, encoding="utf-8")
    for name in names:
        torch.save(nn.GRU(3, 4).state_dict(), folder / name)
    return {"PYTHONPATH": str(site)}
