"""`check` over a thousand small checkpoints: one process against two, and the memory it takes.

python benchmarks/gate.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FILES = 1000
FEW = 100
PROMISED = 1.7
"""Times as fast with two processes as with one."""

ROUNDS = 3


def write_checkpoints(folder: Path, count: int) -> None:
    """Small networks of every kind, none the same."""
    import torch

    kinds = (torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN)
    for number in range(count):
        torch.manual_seed(number)
        module = kinds[number % 3](8, 32)
        torch.save(module.state_dict(), folder / f"{number:04}.pt")


def run(folder: Path, jobs: int) -> tuple[float, float]:
    """Seconds, and the peak memory in MiB of the process that collects the results."""
    command = [sys.executable, "-m", "rnndiag", "check", str(folder), "--jobs", str(jobs), "-q"]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"exit {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def main() -> None:
    """Print throughput and the ratio of the best rounds, and memory at few and many files."""
    with tempfile.TemporaryDirectory() as name:
        few, many = Path(name, "few"), Path(name, "many")
        for folder, count in ((few, FEW), (many, FILES)):
            folder.mkdir()
            # In a process of its own: what is started here begins with the peak memory of this one.
            subprocess.run([sys.executable, __file__, str(folder), str(count)], check=True)
        seconds: dict[int, list[float]] = {1: [], 2: []}
        peaks = []
        for _ in range(ROUNDS):
            for jobs, kept in seconds.items():
                taken, peak = run(many, jobs)
                kept.append(taken)
                peaks.append(peak)
        best = {jobs: min(kept) for jobs, kept in seconds.items()}
        for jobs, taken in best.items():
            print(f"--jobs {jobs}: {FILES} files in {taken:.1f} s, {FILES / taken:.0f} a second")
        print(f"ratio {best[1] / best[2]:.2f}, promised {PROMISED}")
        small = run(few, 2)[1]
        print(f"peak memory: {small:.1f} MiB at {FEW} files, {max(peaks):.1f} MiB at {FILES}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        write_checkpoints(Path(sys.argv[1]), int(sys.argv[2]))
    else:
        main()
