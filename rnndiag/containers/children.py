"""What a record contains, and under which names: one generator per kind of record."""

from __future__ import annotations

from collections.abc import Iterator

from rnndiag.containers.records import CallRecord, DictRecord, NothingRecord, SetRecord, called

_MODULE_ATTRIBUTES = frozenset(("_modules", "_parameters", "_buffers"))
"""Of a torch module: they leave no trace in names."""

_MAPPINGS = frozenset(
    (
        "collections.OrderedDict",
        "collections.Counter",
        "collections.defaultdict",
        "builtins.dict",
        "__builtin__.dict",
    )
)

_SEQUENCES = frozenset(
    f"{module}.{name}"
    for module in ("builtins", "__builtin__")
    for name in ("set", "frozenset", "list", "tuple")
) | {"torch.Size"}

_SILENT_CALLS = frozenset(("copyreg._reconstructor", "copy_reg._reconstructor"))
"""Their arguments are classes, not contents."""

_NOTHING = ("", NothingRecord())
"""A child that is only counted: whoever limits the work must see every entry that takes some."""

_MAX_KEY = 1000
_INTEGER_BITS = 64

Children = Iterator[tuple[str | int, object]]


def children(record: object) -> Children:
    """The (name or position, record) pairs inside a container, in the order of the file."""
    if isinstance(record, DictRecord):
        return _entries(record.pairs)
    if isinstance(record, tuple | list):
        return enumerate(record)
    if isinstance(record, SetRecord):
        return enumerate(record.items)
    if isinstance(record, CallRecord):
        return _call_children(record)
    return iter(())


def _entries(pairs: list[tuple[object, object]]) -> Children:
    """The entries of a dictionary; of equal keys the last one counts, as in Python.

    The others are only counted.
    """
    identities = [_identity(key) for key, _ in pairs]
    last = {identity: position for position, identity in enumerate(identities)}
    for position, (identity, (key, value)) in enumerate(zip(identities, pairs, strict=True)):
        if identity is None:
            yield f"<key {position}>", key
            yield f"<key {position}>", value
        elif last[identity] == position:
            yield _name(key), value
        else:
            yield _NOTHING


def _identity(key: object) -> str | bytes | tuple[bytes] | None:
    """What tells keys apart that make a part of a dotted name: 0, "0" and b"0" are three.

    None for keys that make none: the Parameters of an old optimizer, tuples, very long strings. No
    number is hashed as it is: which numbers collide is known, which strings do is not.
    """
    if isinstance(key, str):
        return key if len(key) <= _MAX_KEY else None
    if isinstance(key, bytes):
        return (key,) if len(key) <= _MAX_KEY else None
    if isinstance(key, bool) or not isinstance(key, int) or key.bit_length() > _INTEGER_BITS:
        return None
    return b"%d" % key


def _name(key: object) -> str:
    """The part of a dotted name that a key makes."""
    return key.decode("latin-1") if isinstance(key, bytes) else str(key)


def _call_children(record: CallRecord) -> Children:
    """Arguments first, then what was put into the result."""
    function = called(record)
    for state in record.states:
        yield from _attributes(state, function in _MAPPINGS)
    yield from _argument_children(record, function)
    yield from enumerate(record.items)
    yield from _entries(record.pairs)


def _argument_children(record: CallRecord, function: str) -> Children:
    first = record.arguments[0] if len(record.arguments) == 1 else None
    if function in _MAPPINGS and isinstance(first, DictRecord):
        yield from _entries(first.pairs)
    elif function in _MAPPINGS and isinstance(first, list | tuple):
        yield from _entries([_as_pair(item) for item in first])
    elif function in _SEQUENCES and isinstance(first, list | tuple):
        yield from enumerate(first)
    elif function not in _MAPPINGS | _SILENT_CALLS:
        yield from enumerate(record.arguments)
        if isinstance(record.keywords, DictRecord):
            yield from _entries(record.keywords.pairs)


def _as_pair(item: object) -> tuple[object, object]:
    """An item of OrderedDict([[key, value], …]), as Python 2 pickled it."""
    return (item[0], item[1]) if isinstance(item, list | tuple) and len(item) == 2 else _NOTHING


def _attributes(state: object, of_mapping: bool) -> Children:
    """The state of an object: its __dict__, or that and its slots, or something of its own.

    A state dictionary's `_metadata`, the version of each of its modules, is left out.
    """
    if isinstance(state, tuple) and len(state) == 2 and _are_attributes(state):
        for part in state:
            yield from _attributes(part, of_mapping)
    elif not isinstance(state, DictRecord):
        yield _NOTHING if state is None else ("", state)
    else:
        is_module = any(isinstance(key, str) and key == "_modules" for key, _ in state.pairs)
        for name, value in _entries(state.pairs):
            if of_mapping and name == "_metadata":
                yield _NOTHING
            else:
                yield ("" if is_module and name in _MODULE_ATTRIBUTES else name), value


def _are_attributes(state: tuple[object, ...]) -> bool:
    """(__dict__ or None, slots)."""
    return all(part is None or isinstance(part, DictRecord) for part in state)
