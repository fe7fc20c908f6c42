"""Print the ratios that rnndiag promises, the worst margin first; each pair is timed in this run.

python benchmarks/run.py [--only GROUP] [--threads N] [--long]

Machines are noisy, so only ratios are promised, and none of this is a test. numpy and torch get the
same number of threads, one unless told otherwise, and what runs in process is compared by processor
time; whole processes take as many threads as they like and are compared by the clock on the wall.
"""

from __future__ import annotations

import argparse
import importlib
import os

GROUPS = ("processes", "gradient_trace", "exponents", "truncation", "growth")
"""Each is a file here with a function `rows(long)`."""

THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


def limit_threads(count: int) -> None:
    """Of numpy and torch in this process; must come before either is imported."""
    inherited = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(count)))
    import numpy  # noqa: F401 (reads the variables now, and never again)
    import torch

    torch.set_num_threads(count)
    for name, value in inherited.items():  # processes started from here are free again
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


def main() -> None:
    """Measure and print every row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=GROUPS, action="append")
    parser.add_argument("--threads", type=int, default=1, help="of numpy and of torch, each")
    parser.add_argument("--long", action="store_true", help="also what takes minutes")
    given = parser.parse_args()
    limit_threads(given.threads)
    print(f"in process: {given.threads} thread(s) for numpy and for torch, processor time")
    rows = [
        row
        for group in given.only or GROUPS
        for row in importlib.import_module(group).rows(given.long)
    ]
    for row in sorted(rows, key=lambda row: row.margin):
        print(row)


if __name__ == "__main__":
    main()
