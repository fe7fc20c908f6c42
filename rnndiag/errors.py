"""The one error type: what is wrong with the input, what to do about it, and its RD0xx code."""

from enum import Enum


class InputCode(Enum):
    """Why no verdict could be given. Every one means exit code 2 and none can be ignored."""

    CANNOT_OPEN = "RD001"
    NOT_A_CHECKPOINT = "RD002"
    DAMAGED = "RD003"
    REFUSED = "RD004"
    UNSUPPORTED = "RD005"
    NO_RECURRENT_WEIGHTS = "RD006"
    USAGE = "RD007"
    CANNOT_WRITE = "RD008"
    INTERNAL = "RD009"


INPUT_CODES: dict[InputCode, str] = {
    InputCode.CANNOT_OPEN: "the file cannot be opened: missing, empty, no permission, no file",
    InputCode.NOT_A_CHECKPOINT: "the file is no checkpoint; the message says what it is",
    InputCode.DAMAGED: "the file is damaged or truncated",
    InputCode.REFUSED: "the file is refused as unsafe, or over a limit",
    InputCode.UNSUPPORTED: "a format or dtype that is not read",
    InputCode.NO_RECURRENT_WEIGHTS: "the file holds no recurrent weights that are recognised",
    InputCode.USAGE: "usage or configuration: an option, a name or a given array does not fit",
    InputCode.CANNOT_WRITE: "the report cannot be written",
    InputCode.INTERNAL: "an internal error, which is a defect of rnndiag",
}
"""What each code means, in a line."""


class Content(Enum):
    """What lies in a file that gives no verdict: whether a folder's gate may pass it over."""

    ABSENT = "absent"
    """Not what the name stands for: no bytes, zeros, a pointer to it, an error page."""

    UNREADABLE = "unreadable"
    """By its first bytes a checkpoint or an archive, which is cut off, damaged or refused."""

    UNKNOWN = "unknown"
    """Text, or bytes of no kind that is known."""

    FOREIGN = "foreign"
    """Whole, and of another format, in which a model may lie."""

    NO_RECURRENCE = "no recurrence"
    """Whole, and nothing in it is recurrent."""

    UNMEASURED = "unmeasured"
    """A recurrence for certain, which cannot be measured."""


CONTENTS: dict[InputCode, Content] = {
    InputCode.CANNOT_OPEN: Content.UNREADABLE,
    InputCode.NOT_A_CHECKPOINT: Content.FOREIGN,
    InputCode.DAMAGED: Content.UNREADABLE,
    InputCode.REFUSED: Content.UNREADABLE,
    InputCode.UNSUPPORTED: Content.FOREIGN,
    InputCode.NO_RECURRENT_WEIGHTS: Content.NO_RECURRENCE,
}
"""What a code says of the content where the error does not say it; the others say nothing of it."""


MOST_CHARACTERS = 1000
"""Of what is wrong, and of the remedy: both may hold names, which a file chooses."""


def shortened(text: str, most: int) -> str:
    """The text, without its middle where it has more characters than that.

    >>> shortened("encoder.layers.0.weight_hh", 20)
    'encoder.la…weight_hh'
    """
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-((most - 1) // 2) :]}"


class RnndiagError(Exception):
    """An input that gets no verdict.

    >>> print(RnndiagError(InputCode.DAMAGED, "the file is empty", "download it again"))
    RD003 the file is empty; download it again
    """

    def __init__(
        self, code: InputCode, what: str, remedy: str, content: Content | None = None
    ) -> None:
        super().__init__(code, what, remedy, content)
        self.code = code
        self.content = content or CONTENTS.get(code)
        self.what = shortened(what, MOST_CHARACTERS)
        self.remedy = shortened(remedy, MOST_CHARACTERS)

    def __str__(self) -> str:
        return f"{self.code.value} {self.what}; {self.remedy}"


def reason(error: OSError | ValueError) -> str:
    """The system's words for what went wrong with a path.

    >>> reason(FileNotFoundError(2, "No such file or directory"))
    'no such file or directory'
    """
    said = error.strerror if isinstance(error, OSError) else None
    return (said or str(error) or type(error).__name__).lower()


def cannot_write(path: object, error: OSError, remedy: str) -> RnndiagError:
    """RD008 for a file that could not be written."""
    return RnndiagError(
        InputCode.CANNOT_WRITE, f"{path} cannot be written: {reason(error)}", remedy
    )


def out_of_memory(error: MemoryError) -> RnndiagError:
    """What ran out while computing; numpy says how much it asked for."""
    what = f"out of memory: {error}" if str(error) else "out of memory"
    remedy = "free some memory, or take a shorter --seq-len or a smaller --batch"
    return RnndiagError(InputCode.REFUSED, what, remedy)
