"""A plain pickle, as pickle.dump writes it: tensors in it are torch files of their own.

joblib.dump writes one too, with the numbers of arrays between its opcodes.
"""

from __future__ import annotations

import re

from rnndiag.containers.candidate import Candidate
from rnndiag.containers.impostors import is_text
from rnndiag.containers.joblib_arrays import JoblibArrays
from rnndiag.containers.pickle_machine import no_persistent_ids
from rnndiag.containers.pickle_stream import PickleStream
from rnndiag.containers.torch_pickles import PickleFormat, TorchPickle
from rnndiag.containers.torch_storages import NestedRecord, NoStorages

_HIGHEST_PROTOCOL = 5

_TEXTUAL = re.compile(
    rb"\(*(c[A-Za-z_][\w.]*\n[A-Za-z_][\w.]*\n|\([dlt]p\d+\n|[}\])]q\x00|\(i[A-Za-z_][\w.]*\n|"
    rb"\((I-?\d+\n|F[\d.e+-]+\n|V[^\n]*\np|S'[^\n]*'\np|K.|M..|X.{3}\x00))",
    re.DOTALL,
)
"""How protocols 0 and 1 start: an import, a container that is put into the memo, or a tuple."""

_WORDS = re.compile(rb"c\w+\n\w+\n(?!p\d+\n|[q()}\].]|\Z)")
"""How a list of words may start, too: what follows is nothing that is done with an import."""


def is_pickle(head: bytes) -> bool:
    """By the first bytes."""
    is_binary = len(head) > 2 and head[0] == 0x80 and head[1] <= _HIGHEST_PROTOCOL
    return is_binary or (_TEXTUAL.match(head) is not None and not _is_list_of_words(head))


def _is_list_of_words(head: bytes) -> bool:
    return _WORDS.match(head) is not None and is_text(head)


def _recognises(candidate: Candidate) -> bool:
    return is_pickle(candidate.head)


def _open(candidate: Candidate, pickle: TorchPickle) -> NestedRecord:
    stream = PickleStream(candidate.source)
    arrays = JoblibArrays(candidate.source, pickle)
    root = pickle.run_with(stream, no_persistent_ids, arrays.built)
    return NestedRecord(root, NoStorages())


PLAIN_PICKLE = PickleFormat(_recognises, _open)
PICKLE = PLAIN_PICKLE.container("pickle")
