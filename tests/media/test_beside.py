"""Work in a thread beside: its order, its errors, its bounds, its end."""

from __future__ import annotations

import os
import sys
import threading
from itertools import count

import pytest

from viseme.errors import Interrupted
from viseme.media.beside import Beside, Cancel, run_behind, run_beside
from viseme.media.priority import step_back


def beside_threads() -> int:
    return sum(thread.name == "viseme-beside" for thread in threading.enumerate())


def test_items_are_worked_on_in_order_in_one_other_thread() -> None:
    done: list[tuple[int, int]] = []
    beside = Beside[int](lambda item: done.append((item, threading.get_ident())), 2)
    for item in range(50):
        beside.put(item)
    beside.finish()
    assert [item for item, _ in done] == list(range(50))
    assert len({thread for _, thread in done} - {threading.get_ident()}) == 1
    assert beside_threads() == 0


def test_no_more_than_so_many_items_wait() -> None:
    gate, begun, put = threading.Event(), threading.Semaphore(0), []

    def work(_item: int) -> None:
        begun.release()
        gate.wait()

    beside = Beside[int](work, 3)

    def fill() -> None:
        for item in range(20):
            beside.put(item)
            put.append(item)

    filler = threading.Thread(target=fill)
    filler.start()
    begun.acquire()
    while len(put) < 4:  # one is worked on, three wait
        threading.Event().wait(0.001)
    threading.Event().wait(0.05)
    assert len(put) == 4
    gate.set()
    filler.join()
    beside.finish()
    assert len(put) == 20


def test_an_error_is_raised_where_the_work_is_prepared_and_the_rest_is_dropped() -> None:
    done = []

    def work(item: int) -> None:
        if item == 3:
            raise KeyError(item)
        done.append(item)

    beside = Beside[int](work, 2)
    with pytest.raises(KeyError):
        for item in range(100):
            beside.put(item)
    for item in range(5):  # who goes on all the same is told again, and not held up
        with pytest.raises(KeyError):
            beside.put(item)
    beside.stop()
    assert done == [0, 1, 2]
    last = Beside[int](work, 2)
    last.put(3)
    with pytest.raises(KeyError):
        last.finish()
    assert beside_threads() == 0


def test_what_waits_is_dropped_when_it_is_stopped() -> None:
    gate, begun, done = threading.Event(), threading.Event(), []

    def work(item: int) -> None:
        begun.set()
        gate.wait()
        done.append(item)

    beside = Beside[int](work, 5)
    for item in range(4):
        beside.put(item)
    begun.wait()
    stopper = threading.Thread(target=beside.stop)
    stopper.start()
    while not beside._is_stopped:
        threading.Event().wait(0.001)
    gate.set()
    stopper.join()
    assert done == [0]
    assert beside_threads() == 0


@pytest.mark.parametrize("cancel", [None, lambda: False])
def test_a_call_beside_returns_and_raises_as_it_would_here(cancel: Cancel) -> None:
    def fail() -> int:
        raise KeyError("here")

    assert run_beside(lambda: 7, cancel) == 7
    assert run_behind(lambda: 7) == 7
    with pytest.raises(KeyError, match="here"):
        run_beside(fail, cancel)
    with pytest.raises(KeyError, match="here"):
        run_behind(fail)


@pytest.mark.parametrize("is_left_behind", [True, False])
def test_a_call_that_is_stopped_is_waited_for_only_where_it_must_be(is_left_behind: bool) -> None:
    gate, ended, asked = threading.Event(), threading.Event(), count()

    def work() -> None:
        gate.wait()
        ended.set()

    def stop() -> bool:
        is_stopped = next(asked) == 3
        if is_stopped and not is_left_behind:
            gate.set()
        return is_stopped

    with pytest.raises(Interrupted):
        run_beside(work, stop, is_left_behind=is_left_behind)
    assert ended.is_set() is not is_left_behind
    gate.set()
    assert ended.wait(10)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux knows the priority of one thread")
def test_a_thread_steps_back_once_for_all_that_it_starts_and_never_past_the_last() -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    found: list[int] = []

    def look() -> None:
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    def start() -> None:
        look()
        for _ in range(3):
            step_back()
        started = threading.Thread(target=look)
        started.start()
        started.join()

    run_behind(start)
    assert found == [min(own + 10, 19), 19]
    assert os.getpriority(os.PRIO_PROCESS, 0) == own


def test_where_no_thread_may_step_back_all_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", refuse)
    assert run_behind(lambda: 7) == 7
