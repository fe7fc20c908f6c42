"""Items in processes: every one answered once, a dead one's alone is lost, none is left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time

import pytest

from rnndiag.workers import ONE_THREAD, Died, in_workers


def act(item: object) -> object:
    """What the tests have done in another process."""
    if item == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if item == "leave":
        os._exit(3)
    if item == "fail":
        raise ValueError("no such thing")
    if item == "environment":
        return {name: os.environ.get(name) for name in ONE_THREAD}
    if item == "ctrl-c":
        os.kill(os.getpid(), signal.SIGINT)
    if item == "slow":
        time.sleep(60)
    return ("done", item, os.getpid())


def answers(items, jobs):
    found = dict(in_workers(act, items, jobs))
    assert sorted(found) == list(range(len(items)))
    assert multiprocessing.active_children() == []
    return [found[place] for place in range(len(items))]


@pytest.mark.parametrize("jobs", [1, 2, 9])
def test_every_item_is_answered_by_at_most_so_many_processes(jobs):
    found = answers(list("abcdef"), jobs)
    assert [answer[1] for answer in found] == list("abcdef")
    assert len({answer[2] for answer in found}) <= min(jobs, 6)
    assert os.getpid() not in {answer[2] for answer in found}


def test_no_items_need_no_process():
    assert answers([], 2) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_process_that_dies_loses_its_own_item(jobs):
    found = answers(["a", "die", "b", "fail", "leave", "c", "die"], jobs)
    assert [answer[1] for answer in found if not isinstance(answer, Died)] == ["a", "b", "c"]
    assert "SIGKILL" in found[1].what
    assert found[3] == Died("internal error: ValueError: no such thing")
    assert found[4].what.endswith("ended with code 3")
    assert found[6] == found[1]


def test_an_answer_that_cannot_be_sent_is_that_items_alone():
    first, second = [answer for _, answer in sorted(in_workers(make, [1, 2], 1))]
    assert isinstance(first, Died)
    assert second == 2


def make(item: int) -> object:
    """A function of a function cannot be sent for 1."""
    return (lambda: None) if item == 1 else item


def test_one_thread_in_each_and_the_variables_here_as_before(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    assert answers(["environment"], 1) == [ONE_THREAD]
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


def test_workers_do_not_hear_ctrl_c_and_their_parent_still_does():
    before = signal.getsignal(signal.SIGINT)
    assert answers(["ctrl-c"], 1)[0][0] == "done"
    assert signal.getsignal(signal.SIGINT) is before


def test_whoever_stops_listening_ends_them():
    results = in_workers(act, ["a", "slow"], 2)
    assert next(results)[1][1] == "a"
    started = time.monotonic()
    results.close()
    assert multiprocessing.active_children() == []
    assert time.monotonic() - started < 30
