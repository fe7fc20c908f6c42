"""TorchScript: torch's zip with code beside the weights. The code is never looked at."""

from __future__ import annotations

from rnndiag.containers.candidate import Candidate
from rnndiag.containers.records import DictRecord
from rnndiag.containers.torch_pickles import PickleFormat, TorchPickle
from rnndiag.containers.torch_storages import NestedRecord
from rnndiag.containers.torch_zip import is_torchscript, only_archive, only_folder, open_pickle


def _recognises(candidate: Candidate) -> bool:
    return candidate.archive is not None and is_torchscript(candidate.archive)


def _open(candidate: Candidate, pickle: TorchPickle) -> NestedRecord:
    """The module's attributes; a frozen module keeps its weights among the constants."""
    archive = only_archive(candidate)
    folder = only_folder(archive)
    module = open_pickle(archive, folder, "data", pickle)
    beside = TorchPickle(names=pickle.names, budget=pickle.budget)
    constants = open_pickle(archive, folder, "constants", beside)
    return NestedRecord(DictRecord([("", module), ("constants", constants)]), module.storages)


TORCHSCRIPT = PickleFormat(_recognises, _open).container("torchscript")
