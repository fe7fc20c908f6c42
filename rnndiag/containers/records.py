"""What the pickle machine builds: inert records. None is hashed, compared, called or imported.

Numbers, strings, bytes, None, tuples and lists stand for themselves; the rest is below. All compare
by identity, and their lists grow while the pickle is read. Those that a pickle can ask for by the
million are not frozen, which would make each three times as slow.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class GlobalRecord:
    """A name the pickle would have imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, slots=True, eq=False)
class NothingRecord:
    """Stands where the file has an entry of no interest: it is counted, and leaves no trace."""


@dataclass(slots=True, eq=False)
class DictRecord:
    """A dictionary as the pairs it was given, so that no key is ever hashed."""

    pairs: list[tuple[object, object]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class SetRecord:
    """A set or frozenset as the items it was given."""

    items: list[object] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class CallRecord:
    """A call that was asked for and not made, with everything done to its result afterwards."""

    function: object
    arguments: tuple[object, ...]
    keywords: object = None
    states: list[object] = field(default_factory=list)
    items: list[object] = field(default_factory=list)
    pairs: list[tuple[object, object]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class StorageRecord:
    """A reference to numbers that lie elsewhere in the file."""

    kind: str
    """dtype of its elements, "untyped" for bytes, or "unknown <name>"."""

    key: str
    device: str

    count: int
    """Elements in the whole storage."""

    view_offset: int = 0
    """Where this view of it starts, in elements."""

    view_count: int | None = None
    """Elements in the view; None for the whole."""


PLAIN = (bool, int, float, str, type(None))
"""The types of a plain value."""


def called(record: object) -> str:
    """The function of a call by name, as "module.name"; empty for anything else."""
    if isinstance(record, CallRecord) and isinstance(record.function, GlobalRecord):
        return str(record.function)
    return ""


_MAKERS = frozenset(
    f"{module}.{name}"
    for module, name in (
        ("copyreg", "_reconstructor"),
        ("copy_reg", "_reconstructor"),
        ("builtins", "getattr"),
        ("__builtin__", "getattr"),
        ("functools", "partial"),
    )
)
"""Calls whose first argument says more about the result than they do."""

_USUAL = frozenset(("torch", "collections", "builtins", "__builtin__", "numpy", "_codecs"))
_MAX_STEPS = 4


def class_of(record: object) -> str:
    """The class of the object that a call makes, without the private modules on the way to it.

    Empty for what is no call, and where it comes from torch, numpy or the standard containers.

    >>> class_of(CallRecord(GlobalRecord("sklearn.preprocessing._data", "MinMaxScaler"), ()))
    'sklearn.preprocessing.MinMaxScaler'
    """
    for _ in range(_MAX_STEPS):
        if isinstance(record, CallRecord):
            is_maker = called(record) in _MAKERS and bool(record.arguments)
            record = record.arguments[0] if is_maker else record.function
            if isinstance(record, GlobalRecord):
                return _public(record)
    return ""


def _public(made: GlobalRecord) -> str:
    parts = [part for part in made.module.split(".") if not part.startswith("_")]
    public = parts if made.module != "__main__" else ["__main__"]
    return "" if not public or public[0] in _USUAL else ".".join((*public, made.name))
