"""Who decides in a folder: what a file's name claims, and what its content is.

A name decides whether a file claims to be a checkpoint, its content what it is. A file that is
passed over is listed with what it is; one that is not is named, and ends the gate without a
verdict. A file that was named by itself always needs one, and none of this is asked.
"""

from __future__ import annotations

import os
from enum import Enum

from rnndiag.errors import Content, RnndiagError


class Claim(Enum):
    """What a file's name says of it."""

    CHECKPOINT = "a checkpoint"
    SHARED = "a checkpoint, or one of the other things that bear such names"
    UNKNOWN = "nothing that is known: only the content can tell"
    OTHER = "something else"


ENDINGS: dict[Claim, tuple[str, ...]] = {
    Claim.CHECKPOINT: (
        *(".pt", ".pth", ".ckpt", ".safetensors", ".th", ".checkpoint", ".nn"),
        ".safetensors.index.json",
    ),
    Claim.SHARED: (
        *(".pkl", ".pickle", ".p", ".npz", ".bin", ".dat", ".tar", ".zip", ".model"),
        *(".h5", ".hdf5", ".keras", ".msgpack", ".joblib", ".nemo", ".gz", ".tgz"),
    ),
    Claim.OTHER: (
        # Arrays, tables, records, logs
        *(".npy", ".csv", ".tsv", ".parquet", ".feather", ".arrow", ".avro", ".tfrecord", ".mat"),
        *(".log", ".out", ".err", ".sqlite", ".db", ".mdb", ".wandb", ".index", ".meta"),
        # Models of other programs, which are named and not read
        *(".onnx", ".tflite", ".pb", ".t7", ".mlmodel", ".gguf", ".caffemodel", ".engine"),
        # Text and source
        *(".txt", ".md", ".rst", ".tex", ".bib", ".json", ".jsonl", ".ndjson", ".xml", ".html"),
        *(".htm", ".yml", ".yaml", ".toml", ".ini", ".cfg", ".conf", ".lock", ".sarif", ".vocab"),
        *(".py", ".pyi", ".pyc", ".typed", ".ipynb", ".sh", ".bat", ".ps1", ".js", ".mjs", ".jsx"),
        *(".ts", ".tsx", ".css", ".scss", ".vue", ".c", ".h", ".cc", ".cpp", ".hpp", ".cu", ".rs"),
        *(".go", ".java", ".kt", ".scala", ".jl", ".r", ".rb", ".php", ".lua", ".m", ".swift"),
        *(".cs", ".pl", ".sql", ".proto", ".patch", ".diff", ".sha256", ".md5", ".dvc", ".map"),
        # What is still being written or fetched
        *(".tmp", ".part", ".partial", ".incomplete", ".crdownload", ".download"),
        # Pictures, sound, film, documents, packages of programs
        *(".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".svg", ".ico"),
        *(".wav", ".mp3", ".flac", ".ogg", ".mid", ".midi", ".mp4", ".avi", ".mov", ".mkv"),
        *(".pdf", ".ps", ".eps", ".doc", ".docx", ".xls", ".xlsx", ".ppt", ".pptx", ".odt"),
        *(".jar", ".whl", ".egg", ".apk", ".so", ".dll", ".dylib", ".exe", ".o", ".a", ".ttf"),
    ),
}
"""By a name's ending, in small letters. The longest that fits decides; with none of them the
content alone does."""

CLAIMS = {ending: claim for claim, endings in ENDINGS.items() for ending in endings}

COMPRESSED = (".gz",)
"""Endings that leave the claim to what stands before them, where that says something else."""

PACKAGES = frozenset({"site-packages", "dist-packages"})
"""Folders in which a .pth file tells Python where to look for modules."""

STOPS: dict[Claim, frozenset[Content]] = {
    Claim.CHECKPOINT: frozenset(Content) - {Content.NO_RECURRENCE},
    Claim.SHARED: frozenset({Content.ABSENT, Content.UNREADABLE, Content.UNMEASURED}),
    Claim.UNKNOWN: frozenset({Content.UNREADABLE, Content.UNMEASURED}),
    Claim.OTHER: frozenset({Content.UNMEASURED}),
}
"""The contents that end a gate without a verdict, under a name of each kind."""


def claim_of(path: str) -> Claim:
    """What the name at the end of a path claims.

    >>> [claim_of(name).name for name in ("runs/best.PT", "scaler.pkl", "README", "corpus.csv.gz")]
    ['CHECKPOINT', 'SHARED', 'UNKNOWN', 'OTHER']
    """
    folder, name = os.path.split(path.lower())
    if name.endswith(".pth") and os.path.basename(folder) in PACKAGES:  # noqa: PTH119 (a hostile path need not survive Path())
        return Claim.OTHER
    inner = name
    for ending in COMPRESSED:
        inner = inner.removesuffix(ending)
    if inner != name and _by_ending(inner) is Claim.OTHER:
        return Claim.OTHER
    return _by_ending(name)


def _by_ending(name: str) -> Claim:
    start = name.find(".")
    while start >= 0:
        if name[start:] in CLAIMS:
            return CLAIMS[name[start:]]
        start = name.find(".", start + 1)
    return Claim.UNKNOWN


def stops(path: str, error: RnndiagError) -> bool:
    """Whether a file met in a folder that gives no verdict leaves the whole gate without one.

    What says nothing of the file's content (a defect of ours, an option that does not fit) always
    does.
    """
    return error.content is None or error.content in STOPS[claim_of(path)]
