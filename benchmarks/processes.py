"""Whole commands against `import torch` alone, by the clock on the wall."""

from __future__ import annotations

import compileall
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from ratios import Row, median_pair, peak_megabytes

import rnndiag

REPEATS = 21
"""The median of fewer moves by a tenth from run to run on a machine that does other work, too."""


def command(*arguments: str) -> Callable[[], object]:
    """A whole process."""
    return lambda: subprocess.run(
        [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL
    )


def rows(long: bool) -> list[Row]:
    """Of inspect and bptt-trace; nothing here takes long."""
    with tempfile.TemporaryDirectory() as name:
        return _rows(Path(name))


def _rows(folder: Path) -> list[Row]:
    # As pip does with what it installs, torch among it; an editable installation may never be.
    compileall.compile_dir(Path(rnndiag.__file__).parent, quiet=1)
    big, small = folder / "big.pt", folder / "lstm512.pt"
    torch.save(torch.nn.LSTM(2048, 2048, num_layers=4).state_dict(), big)
    torch.save(torch.nn.LSTM(64, 512).state_dict(), small)
    import_torch = command("-c", "import torch")
    inspecting = ("-m", "rnndiag", "inspect", str(big))
    tracing = ("-m", "rnndiag", "bptt-trace", str(small), "--seq-len", "200", "--input", "normal")
    memory = f"; peak memory {peak_megabytes(*inspecting):.0f} MB (promised 60)"
    size = f"inspect, {big.stat().st_size >> 20} MB LSTM, whole process"
    return [
        Row(
            size,
            "import torch",
            median_pair(command(*inspecting), import_torch, REPEATS),
            4.0,
            memory,
        ),
        Row(
            "bptt-trace --seq-len 200 --input normal, LSTM 512, whole process",
            "import torch",
            median_pair(command(*tracing), import_torch, REPEATS),
            1.0,
        ),
    ]
