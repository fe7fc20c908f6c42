"""How the readers say no: one constructor per kind of failure, with the usual remedy."""

from rnndiag.errors import Content, InputCode, RnndiagError

_GET_AGAIN = "download or copy it again"


def truncated(what: str = "the file is truncated") -> RnndiagError:
    """Bytes that should be there are not."""
    return RnndiagError(InputCode.DAMAGED, what, _GET_AGAIN)


def empty() -> RnndiagError:
    """No byte is there, and nothing says what they were to be."""
    return RnndiagError(InputCode.DAMAGED, "the file is empty", _GET_AGAIN, Content.ABSENT)


def damaged(what: str) -> RnndiagError:
    """The bytes contradict each other."""
    return RnndiagError(InputCode.DAMAGED, what, _GET_AGAIN)


def refused(
    what: str, remedy: str = "do not load it; ask its author for a clean one"
) -> RnndiagError:
    """Reading on would be unsafe, or would go over a limit."""
    return RnndiagError(InputCode.REFUSED, what, remedy)


def unsupported(what: str, remedy: str, content: Content = Content.FOREIGN) -> RnndiagError:
    """A format that is known, and not read."""
    return RnndiagError(InputCode.UNSUPPORTED, what, remedy, content)


def not_a_checkpoint(what: str, remedy: str, content: Content = Content.FOREIGN) -> RnndiagError:
    """Something else altogether."""
    return RnndiagError(InputCode.NOT_A_CHECKPOINT, what, remedy, content)


def cannot_open(what: str, remedy: str) -> RnndiagError:
    """The path leads to no file that can be read."""
    return RnndiagError(InputCode.CANNOT_OPEN, what, remedy)


def out_of_memory(size_bytes: int) -> RnndiagError:
    """An allocation of `size_bytes` failed."""
    return refused(f"reading a part of it needs {size_bytes} bytes of memory", "free some memory")


def reworded(error: RnndiagError, what: str, remedy: str | None = None) -> RnndiagError:
    """The same failure in other words, as of a file in which it lies."""
    return RnndiagError(
        error.code, what, error.remedy if remedy is None else remedy, *error.args[3:]
    )
