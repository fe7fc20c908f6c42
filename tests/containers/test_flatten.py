"""Names, budgets and what is left out, on records built by hand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from rnndiag.containers.budget import MAX_WORK, Budget
from rnndiag.containers.flatten import (
    ENTER_WORK,
    TENSOR_WORK,
    VISIT_WORK,
    Flattened,
    flatten,
)
from rnndiag.containers.records import CallRecord, DictRecord, GlobalRecord, StorageRecord
from rnndiag.errors import InputCode, RnndiagError


class Storages:
    big_endian = False

    def read(self, key: str, start: int, count: int) -> npt.NDArray[np.uint8]:
        return np.full(count, int(key), np.uint8)

    def in_place(self, key: str) -> bool:
        return True


def flat(root: object, work: int = MAX_WORK) -> Flattened:
    return flatten(root, Storages(), Budget(work))


def byte_tensor(key: str = "1") -> CallRecord:
    stored = StorageRecord("uint8", key, "cpu", 4)
    return CallRecord(GlobalRecord("torch._utils", "_rebuild_tensor"), (stored, 0, (4,), (1,)))


def instance(**attributes: object) -> CallRecord:
    return CallRecord(GlobalRecord("m", "A"), (), states=[DictRecord(list(attributes.items()))])


def test_module_containers_leave_no_trace() -> None:
    inner = instance(
        _modules=DictRecord(),
        _parameters=DictRecord([("weight", byte_tensor()), ("bias", None)]),
        mode="GRU",
    )
    outer = instance(
        _modules=DictRecord([("rnn", inner)]), _buffers=DictRecord([("b", byte_tensor())])
    )
    found = flat(outer)
    assert list(found.tensors) == ["rnn.weight", "b"]
    assert found.values == {"rnn.bias": None, "rnn.mode": "GRU"}
    assert list(flat([outer]).tensors) == ["0.rnn.weight", "0.b"]


def test_an_object_that_is_no_module_keeps_such_names() -> None:
    assert flat(instance(_parameters=DictRecord([("a", 1)]))).values == {"_parameters.a": 1}


def test_slots_and_other_states() -> None:
    slots = CallRecord(GlobalRecord("m", "A"), (), states=[(None, DictRecord([("x", 1)]))])
    other = CallRecord(GlobalRecord("m", "A"), (), states=[[7, 8]])
    assert flat([slots, other]).values == {"0.x": 1, "1.0": 7, "1.1": 8}


def test_keys() -> None:
    pairs = [
        ("a", 1),
        (0, 2),
        (b"\xe9", 3),
        (None, 4),
        ((1,), 5),
        (1.5, 6),
        (1 << 80, 7),
        (True, 8),
    ]
    values = flat(DictRecord(pairs)).values
    assert values["a"] == 1
    assert values["0"] == 2
    assert values["é"] == 3
    assert [values[f"<key {place}>"] for place in range(3, 8)] == [4, 5, 6, 7, 8]


def test_the_last_of_equal_keys_counts() -> None:
    found = flat(
        DictRecord([("a", 1), ("b", 2), ("a", 3), ("w", byte_tensor("1")), ("w", byte_tensor("2"))])
    )
    assert found.values == {"b": 2, "a": 3}
    assert found.tensors["w"].load().tolist() == [2] * 4


def test_two_tensors_under_one_name_are_both_kept() -> None:
    inner = DictRecord([("b", byte_tensor("1"))])
    found = flat(DictRecord([("a", inner), ("a.b", byte_tensor("2"))]))
    assert [tensor.load()[0] for tensor in found.tensors.values()] == [1, 2]
    assert list(found.tensors) == ["a.b", "a.b<2>"]
    assert list(flat(DictRecord([("a", inner), ("a.b", byte_tensor("1"))])).tensors) == ["a.b"]


def test_a_vocabulary_is_left_out_and_said_so() -> None:
    words: list[object] = [str(index) for index in range(20_000)]
    found = flat(DictRecord([("words", [*words, byte_tensor()]), ("lr", 0.5)]))
    assert len(found.values) == 10_001
    assert found.values["lr"] == 0.5
    assert list(found.tensors) == ["words.20000"]
    assert found.skipped[0].name == "words"
    assert "10000 more plain values" in found.skipped[0].reason


def is_refused(root: object, work: int) -> bool:
    try:
        flat(root, work=work)
    except RnndiagError as error:
        return error.code is InputCode.REFUSED
    return False


def test_every_entry_has_its_price() -> None:
    whole = VISIT_WORK + ENTER_WORK
    assert not is_refused([0] * 100, whole + 100 * VISIT_WORK)
    assert is_refused([0] * 100, whole + 99 * VISIT_WORK)
    hidden = DictRecord([("a", 0)] * 100)
    assert is_refused(hidden, whole + 99 * VISIT_WORK)
    assert is_refused([byte_tensor()] * 100, whole + 100 * TENSOR_WORK)
    assert is_refused([[]] * 100, whole + 100 * ENTER_WORK)
    long_names = DictRecord([("x" * 200, [0] * 100)])
    assert not is_refused([[0] * 100], 1000)
    assert is_refused(long_names, 1000)


def test_left_out_values_are_counted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnndiag.containers.flatten.MAX_PLAIN_PER_CONTAINER", 10)
    kept = VISIT_WORK + ENTER_WORK + 10 * VISIT_WORK
    assert not is_refused([0] * 1000, kept + 990)
    assert is_refused([0] * 1000, kept + 989)


def test_what_is_repeated_costs_more() -> None:
    shared = [1, [2, 3]]
    assert len(flat([shared, shared, [0] * 1000], work=8000).values) == 1006
    assert is_refused([shared] * 30, 8000)
    assert not is_refused([[1, [2, 3]] for _ in range(30)], 8000)


def test_values_beyond_the_cap_are_left_out_and_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnndiag.containers.flatten.MAX_VALUES", 3)
    found = flat([[1, 2], [3, 4]])
    assert list(found.values) == ["0.0", "0.1", "1.0"]
    assert [(item.name, item.reason[:2]) for item in found.skipped] == [("1", "1 ")]


def test_shared_records_are_not_cycles() -> None:
    shared = DictRecord([("x", 1)])
    assert flat([shared, shared]).values == {"0.x": 1, "1.x": 1}
    assert flat([shared, shared]).skipped == []


def test_the_name_of_a_corrupt_tensor_is_told() -> None:
    stored = StorageRecord("uint8", "1", "cpu", 3)
    broken = CallRecord(GlobalRecord("torch._utils", "_rebuild_tensor"), (stored, 0, (4,), (1,)))
    with pytest.raises(RnndiagError, match=r"corrupt tensor a\.0\.w"):
        flat(DictRecord([("a", [DictRecord([("w", broken)])])]))


@pytest.mark.parametrize(
    "arguments", [(), (1,), (1, 2, 3), (None, 0, (1,), (1,)), (1, 2, 3, 4, 5, 6, 7)]
)
@pytest.mark.parametrize(
    "name", ["_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_qtensor"]
)
def test_malformed_calls(name: str, arguments: tuple[object, ...]) -> None:
    with pytest.raises(RnndiagError, match="RD003 corrupt tensor"):
        flat(CallRecord(GlobalRecord("torch._utils", name), arguments))


def test_shards_are_named() -> None:
    calls = {
        "wraps": GlobalRecord("torch._utils", "_rebuild_wrapper_subclass"),
        "shard": GlobalRecord("torch.distributed.tensor", "DTensor"),
    }
    for word, function in calls.items():
        typed = CallRecord(
            GlobalRecord("torch._tensor", "_rebuild_from_type_v2"), (function, None, (1,), None)
        )
        for record in (CallRecord(function, (1, 2)), typed):
            assert word in flat(record).skipped[0].reason
