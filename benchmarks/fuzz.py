"""Read mutated checkpoints and print what became of them. `make fuzz` reads 100,000.

The files beside the repository, the fixtures and some made here are flipped, cut, spliced and given
a payload that would touch a marker file. Workers have 1 GB of address space and 5 s for each
input. Only "read" and "refused" are acceptable; everything else ends with exit code 1.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
MAX_SEED_BYTES = 1_000_000
"""A larger file only makes the copying slower."""

MAX_LOADED_BYTES = 1 << 24
CHUNK = 500
SECONDS = 5
ADDRESS_SPACE = 1 << 30
EDGE = 6000
"""Bytes at the start and the end where formats keep their structure."""

STRUCTURE = (b"ctorch", b"data.pkl", b"PK\x01\x02", b"PK\x03\x04", b"\x80\x02", b"ustar", b"X\x06")
BOUNDARIES = (0, 1, 0x7F, 0x80, 0xFF)


class Hang(BaseException):
    """An input took too long. No `except` of the code under test may catch it."""


def made(folder: Path) -> None:
    """Write one small file of every format that the other folders lack."""
    import pickle
    import zipfile

    import numpy as np
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = torch.nn.LSTM(3, 4, 2)
    state = model.state_dict()
    quantised = torch.quantize_per_tensor(torch.randn(8, 4), 0.1, 3, torch.qint8)
    torch.save(state | {"q": quantised}, folder / "zip.pt")
    torch.save(model, folder / "module.pt", _use_new_zipfile_serialization=False)
    torch.save({"state": state, "lr": np.float64(0.1), "a": np.arange(5)}, folder / "numpy.pt")
    deflated = zipfile.ZipFile(folder / "packed.pt", "w", zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(folder / "zip.pt") as archive, deflated:
        for name in archive.namelist():
            deflated.writestr(name, archive.read(name))
    for protocol in range(6):
        thing = {"state": state, "words": ["a", b"b", 2.5, (1,)], "a": np.arange(4.0)}
        (folder / f"plain{protocol}.pkl").write_bytes(pickle.dumps(thing, protocol))
    arrays = {name: tensor.numpy() for name, tensor in state.items()}
    np.savez(folder / "stored.npz", **arrays)
    np.savez_compressed(folder / "packed.npz", **arrays)
    save_file(state, folder / "shard.safetensors")
    index = {"weight_map": dict.fromkeys(state, "shard.safetensors")}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), "utf-8")


def seeds(folder: Path) -> list[Path]:
    """What is mutated."""
    files = [
        *sorted((ROOT.parent / "shared" / "checkpoints").glob("*")),
        *sorted((ROOT / "fixtures").glob("*.pt")),
        *sorted(folder.glob("*")),
    ]
    return [path for path in files if path.is_file() and path.stat().st_size <= MAX_SEED_BYTES]


def place_in(data: bytearray, dice: random.Random) -> int:
    """Mostly where structure is, sometimes anywhere."""
    kind = dice.randrange(8)
    if kind < 3:
        return dice.randrange(min(EDGE, len(data)))
    if kind < 5:
        return len(data) - 1 - dice.randrange(min(EDGE, len(data)))
    if kind < 7:
        found = data.find(dice.choice(STRUCTURE), dice.randrange(len(data)))
        return min(len(data) - 1, max(0, found) + dice.randrange(40))
    return dice.randrange(len(data))


def mutated(whole: bytes, payload: bytes, dice: random.Random) -> bytes:
    """A few changes, in bytes or in whole runs of them."""
    data = bytearray(whole)
    for _ in range(dice.choice((1, 1, 2, 4))):
        if not data:
            break
        place, kind = place_in(data, dice), dice.randrange(10)
        if kind < 3:
            data[place] ^= 1 << dice.randrange(8)
        elif kind < 5:
            data[place] = dice.choice((*BOUNDARIES, dice.randrange(256)))
        elif kind == 5:
            data[place:place] = dice.randbytes(dice.randrange(1, 9))
        elif kind == 6:
            del data[place : place + dice.randrange(1, 40)]
        elif kind == 7:
            other = place_in(data, dice)
            data[place : place + 16] = data[other : other + 16]
        elif kind == 8:
            data[place:place] = payload
        elif dice.random() < 0.3:
            del data[place + 1 :]
    return bytes(data)


def outcome(path: Path) -> str:
    """What reading the file, and then its tensors, came to."""
    from rnndiag.containers import read
    from rnndiag.errors import RnndiagError

    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        loaded = 0
        for tensor in read(str(path)).tensors.values():
            if loaded < MAX_LOADED_BYTES:
                loaded += tensor.load().nbytes
        return "read"
    except RnndiagError as error:
        return f"refused {error.code.value}"
    except Hang:
        return "hang"
    except Exception:  # noqa: BLE001 (to count them is what this is for)
        traceback.print_exc()
        return "internal error"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def work(folder: Path, start: int, count: int) -> None:
    """Print the outcomes of inputs start … start + count as JSON."""

    def stop(*_: object) -> None:
        raise Hang

    import rnndiag.containers  # noqa: F401 (before memory is limited)

    signal.signal(signal.SIGALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    files = [(path, path.read_bytes()) for path in seeds(folder / "seeds")]
    marker = folder / "marker"
    payload = f"cos\nsystem\n(Vtouch {marker}\ntR".encode()
    counts: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory(dir=folder) as own:
        # The index refers to it.
        shutil.copy(folder / "seeds" / "shard.safetensors", own)
        for number in range(start, start + count):
            dice = random.Random(number)
            path, whole = dice.choice(files)
            target = Path(own, "mutated")
            target.write_bytes(mutated(whole, payload, dice))
            result = outcome(target)
            counts[result] += 1
            if result in ("hang", "internal error"):
                print(f"input {number}, from {path.name}: {result}", file=sys.stderr)
    print(json.dumps(counts))


def run_chunk(folder: Path, start: int, count: int) -> collections.Counter[str]:
    """One worker process; one that dies counts as a crash."""
    command = [sys.executable, __file__, "--work", str(folder), "--start", str(start)]
    command += ["--inputs", str(count)]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        print(f"a worker died ({done.returncode}) in {start} … {start + count}", file=sys.stderr)
        return collections.Counter({"crash": 1})
    return collections.Counter(json.loads(done.stdout))


def main() -> int:
    """All inputs, two workers at a time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--start", type=int, default=0, help="number of the first input")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(given.work, given.start, given.inputs)
        return 0
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(given.workers) as pool:
        folder = Path(name)
        (folder / "seeds").mkdir()
        made(folder / "seeds")
        end = given.start + given.inputs
        starts = range(given.start, end, CHUNK)
        chunks = pool.map(lambda s: run_chunk(folder, s, min(CHUNK, end - s)), starts)
        counts = sum(chunks, collections.Counter[str]())
        executed = int((folder / "marker").exists())
    return report(counts, executed)


def report(counts: collections.Counter[str], executed: int) -> int:
    """Print the counts; 1 if anything happened that must not."""
    print(f"inputs           {sum(counts.values()):>8,}")
    for name in sorted({"read", *(name for name in counts if name.startswith("refused"))}):
        print(f"{name:<16} {counts[name]:>8,}")
    bad = {name: counts[name] for name in ("hang", "crash", "internal error")}
    for name, count in ({"payload executed": executed} | bad).items():
        print(f"{name:<16} {count:>8,}")
    return int(bool(executed or any(bad.values())))


if __name__ == "__main__":
    sys.exit(main())
