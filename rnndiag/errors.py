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


class RnndiagError(Exception):
    """An input that gets no verdict.

    >>> print(RnndiagError(InputCode.DAMAGED, "the file is empty", "download it again"))
    RD003 the file is empty; download it again
    """

    def __init__(self, code: InputCode, what: str, remedy: str) -> None:
        super().__init__(code, what, remedy)
        self.code = code
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.code.value} {self.what}; {self.remedy}"
