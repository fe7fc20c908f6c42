"""Many items in a few processes: one that dies takes its own item with it, and no other's.

The standard library's pools give up all that is pending when one of their processes is killed, and
cannot say which item it had.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Generic, TypeVar

from rnndiag.threads import ONE_THREAD

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Died:
    """No answer, and why."""

    what: str


def in_workers(
    task: Callable[[Item], Answer], items: Sequence[Item], jobs: int
) -> Iterator[tuple[int, Answer | Died]]:
    """The place of an item and its answer, as they come; at most `jobs` processes, all gone after.

    `task`, items and answers are pickled. Processes are started afresh, not forked: a fork would
    inherit numpy's threads.
    """
    pending = iter(enumerate(items))
    workers: list[_Worker[Item, Answer]] = []
    try:
        for place, item in pending:
            workers.append(_Worker(task))
            workers[-1].give(place, item)
            if len(workers) == jobs:
                break
        while workers:
            ready = wait([worker.connection for worker in workers])
            for worker in [one for one in workers if one.connection in ready]:
                answer = worker.answer()
                yield worker.place, answer
                if (following := next(pending, None)) is None:
                    workers.remove(worker)
                    worker.stop()
                    continue
                if not worker.process.is_alive():
                    worker.restart()
                worker.give(*following)
    finally:
        for worker in workers:
            worker.stop()


class _Worker(Generic[Item, Answer]):
    """One process, with one item at a time."""

    def __init__(self, task: Callable[[Item], Answer]) -> None:
        self._task = task
        self.place = 0
        self.restart()

    def restart(self) -> None:
        """Start the process, also in the place of one that died."""
        spawning = multiprocessing.get_context("spawn")
        self.connection, theirs = spawning.Pipe()
        self.process = spawning.Process(target=_serve, args=(self._task, theirs), daemon=True)
        with _environment(ONE_THREAD), _deaf():
            self.process.start()
        theirs.close()

    def give(self, place: int, item: Item) -> None:
        """Hand over the next item."""
        self.place = place
        # A process that is dead already is met again when its answer is asked for.
        with contextlib.suppress(ConnectionError):
            self.connection.send(item)

    def answer(self) -> Answer | Died:
        """Of the item that it has."""
        try:
            answer: Answer | Died = self.connection.recv()
        except (EOFError, ConnectionError):
            self.process.join()
            return Died(_cause(self.process.exitcode or 0))
        return answer

    def stop(self) -> None:
        """End the process, whatever it does."""
        self.connection.close()
        self.process.terminate()
        self.process.join()


def _serve(task: Callable[[Item], Answer], connection: Connection) -> None:
    """What a worker does: answer until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            item = connection.recv()
        except EOFError:
            return
        connection.send(_answer(task, item))


def _end_with_parent() -> None:
    """One that is killed ends nobody: its workers would go on for as long as their items take."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _answer(task: Callable[[Item], Answer], item: Item) -> Answer | Died:
    try:
        return task(item)
    except Exception as error:  # noqa: BLE001 - the end of a process: uncaught, its name is lost
        if os.environ.get("RNNDIAG_DEBUG"):
            traceback.print_exc()
        return Died(f"internal error: {type(error).__name__}: {error}")


def _cause(exit_code: int) -> str:
    """What ended a process.

    >>> _cause(-11), _cause(-9), _cause(1)  # doctest: +NORMALIZE_WHITESPACE
    ('the process that checked it was ended by SIGSEGV',
     'the process that checked it was ended by SIGKILL, as happens where memory runs out',
     'the process that checked it ended with code 1')
    """
    if exit_code >= 0:
        return f"the process that checked it ended with code {exit_code}"
    name = signal.Signals(-exit_code).name
    memory = ", as happens where memory runs out" if name == "SIGKILL" else ""
    return f"the process that checked it was ended by {name}{memory}"


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """These variables for processes that are started here, and for nobody else."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """A process that is started here never hears Ctrl-C: whoever started it ends it."""
    hearing = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, hearing)
