"""Read mutated checkpoints and print what became of them. `make fuzz` reads 100,000.

The files beside the repository, the fixtures and some made here are flipped, cut, spliced and given
a payload that would touch a marker file; the tests make the same changes, and fewer of them. A
worker may hold 1 GB and take 5 s for each input. Only "read" and "refused" are acceptable;
everything else ends with exit code 1.
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
sys.path.insert(0, str(ROOT / "tests"))

from containers.archives import PACKINGS  # noqa: E402 (found just above)
from containers.mutations import LIMITS, Change, changed, outcome  # noqa: E402 (found just above)

MAX_SEED_BYTES = 1_000_000
"""A larger file only makes the copying slower."""

CHUNK = 500
SECONDS = 5
MEMORY = 1 << 30
ADDRESS_SPACE = 3 << 30
"""Of a worker, libraries included: what would exhaust the machine ends here."""

BAD = ("payload executed", "hang", "crash", "internal error", "memory above 1 GB")


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
    wrapped(folder, {**arrays, "objects": np.array([None, "a"], object)})


def wrapped(folder: Path, arrays: dict[str, object]) -> None:
    """Write the same weights as joblib dumps them, and in everything that may wrap a checkpoint."""
    import pickle
    import zipfile

    import joblib
    from containers.archives import lstm_bytes, tar_of, zip_of

    for method in (None, "zlib", "gzip", "bz2", "lzma", "xz"):
        for protocol in (0, 2, 4):
            path = folder / f"{method}{protocol}.joblib"
            joblib.dump(arrays, path, compress=(method, 3) if method else 0, protocol=protocol)
    saved, legacy = lstm_bytes(), lstm_bytes(legacy=True)
    for name, pack in PACKINGS.items():
        (folder / f"{name}.packed").write_bytes(pack(saved))
    members = {"c" * 150: b"{}", "./weights.th": legacy, "a/scaler.pkl": pickle.dumps(3)}
    archives = {"tar": tar_of(members), "zip": zip_of(members)}
    archives["deflated"] = zip_of(members, zipfile.ZIP_DEFLATED)
    archives["tgz"] = PACKINGS["gzip"](archives["tar"])
    archives["nested"] = zip_of({"model.tar.gz": archives["tgz"], "a": b"a"})
    archives["bytes"] = pickle.dumps({"net": saved, "old": [legacy, bytearray(saved)]})
    for name, data in archives.items():
        (folder / f"{name}.archive").write_bytes(data)


def seeds(folder: Path, only: str) -> list[Path]:
    """What is mutated: the files whose names fit the pattern."""
    files = [
        *sorted((ROOT.parent / "shared" / "checkpoints").glob("*")),
        *sorted((ROOT / "fixtures").glob("*.pt")),
        *sorted(folder.glob("*")),
    ]
    return [
        path
        for path in files
        if path.match(only) and path.is_file() and path.stat().st_size <= MAX_SEED_BYTES
    ]


def mutated(whole: bytes, payload: bytes, dice: random.Random) -> bytes:
    """One to four changes."""
    count = dice.choice((1, 1, 2, 4))
    changes = [Change(*(dice.randrange(limit) for limit in LIMITS)) for _ in range(count)]
    return changed(whole, changes, payload)


def one(folder: Path, path: Path, whole: bytes, payload: bytes, dice: random.Random) -> bytes:
    """A mutated file. Of a packed one, every other time the content is changed and packed again."""
    if path.suffix != ".packed" or dice.randrange(2):
        return mutated(whole, payload, dice)
    content = (folder / "seeds" / dice.choice(("tar.archive", "None4.joblib"))).read_bytes()
    return PACKINGS[path.stem](mutated(content, payload, dice))


def fate(path: Path) -> str:
    """What became of one input."""
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        found = outcome(str(path))
    except Hang:
        return "hang"
    except Exception:  # noqa: BLE001 (to count them is what this is for)
        traceback.print_exc()
        return "internal error"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return found if found == "read" else f"refused {found}"


def peak_memory() -> int:
    """The most bytes that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def work(folder: Path, start: int, count: int, only: str) -> None:
    """Print the outcomes of inputs start … start + count, and the peak of memory, as JSON."""

    def stop(*_: object) -> None:
        raise Hang

    signal.signal(signal.SIGALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    files = [(path, path.read_bytes()) for path in seeds(folder / "seeds", only)]
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
            target.write_bytes(one(folder, path, whole, payload, dice))
            result = fate(target)
            counts[result] += 1
            if peak_memory() > MEMORY:
                counts["memory above 1 GB"] = 1
            if result in BAD or peak_memory() > MEMORY:
                print(f"input {number}, from {path.name}: {result}", file=sys.stderr)
    print(json.dumps({"counts": counts, "peak": peak_memory()}))


def run_chunk(
    folder: Path, start: int, count: int, only: str
) -> tuple[collections.Counter[str], int]:
    """One worker process: counts and peak of memory. One that dies counts as a crash."""
    command = [sys.executable, __file__, "--work", str(folder), "--start", str(start)]
    command += ["--inputs", str(count), "--only", only]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        print(f"a worker died ({done.returncode}) in {start} … {start + count}", file=sys.stderr)
        return collections.Counter({"crash": 1}), 0
    found = json.loads(done.stdout)
    return collections.Counter(found["counts"]), found["peak"]


def main() -> int:
    """All inputs, two workers at a time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--start", type=int, default=0, help="number of the first input")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", default="*", help="names of the files to mutate, as a pattern")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(given.work, given.start, given.inputs, given.only)
        return 0
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(given.workers) as pool:
        folder = Path(name)
        (folder / "seeds").mkdir()
        made(folder / "seeds")
        end = given.start + given.inputs
        starts = range(given.start, end, CHUNK)
        chunks = list(
            pool.map(lambda s: run_chunk(folder, s, min(CHUNK, end - s), given.only), starts)
        )
        counts = sum((counts for counts, _ in chunks), collections.Counter[str]())
        counts["payload executed"] = int((folder / "marker").exists())
    return report(counts, max(peak for _, peak in chunks))


def report(counts: collections.Counter[str], peak: int) -> int:
    """Print the counts; 1 if anything happened that must not."""
    good = sorted({"read", *(name for name in counts if name.startswith("refused"))})
    ended = (*good, "hang", "internal error")
    print(f"{'inputs':<18} {sum(counts[name] for name in ended):>8,}")
    for name in (*good, *BAD):
        print(f"{name:<18} {counts[name]:>8,}")
    print(f"{'peak memory':<18} {peak / 1e6:>8,.0f} MB")
    return int(any(counts[name] for name in BAD))


if __name__ == "__main__":
    sys.exit(main())
