"""A run is stopped at every place where it waits: the vendor is asked to stop, or it is noted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from viseme.errors import Interrupted, OutcomeUnknown
from viseme.home import Home
from viseme.jobs.destination import sandbox_at
from viseme.jobs.run import run
from viseme.jobs.signals import CancelToken
from viseme.jobs.wish import Wish, make_plan
from viseme.jobs.workplace import Watch, Workplace
from viseme.ledger import AT_VENDOR, DEAD, Ledger, State
from viseme.media import probe_clip, probe_speech
from viseme.settings import Settings

Box = Any
T = TypeVar("T")
ENDPOINTS = ("fal-sync", "aimlapi-pixverse", "runware-pixverse")
MOST_WAITS = 400


class StoppedAt:
    """Awaits ``work`` and sets ``cancel`` when it waits for the ``number``-th time."""

    def __init__(self, work: Coroutine[Any, Any, T], cancel: CancelToken, number: int) -> None:
        self._work = work
        self._cancel = cancel
        self._number = number
        self.waits = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        # What a coroutine gives to the loop when it waits passes through here.
        steps = self._work.__await__()
        try:
            given = next(steps)
            while True:
                self.waits += 1
                if self.waits == self._number:
                    self._cancel.cancel()
                try:
                    answer = yield given
                except BaseException as problem:
                    given = steps.throw(problem)
                else:
                    given = steps.send(answer)
        except StopIteration as ended:
            return ended.value


async def stopped_at(
    number: int, endpoint: str, clip: Path, speech: Path, place: Workplace, box: Box
) -> tuple[StoppedAt, BaseException | None]:
    cancel = CancelToken()
    wish = Wish(endpoint, {}, probe_clip(clip), probe_speech(speech), take=number)
    planned = make_plan(wish, place.settings)
    where = await sandbox_at(box.control, place.home)
    work = StoppedAt(run(planned, place, where, Watch(cancel=cancel)), cancel, number)

    async def awaited() -> None:
        await work

    try:
        await awaited()
    except (Interrupted, OutcomeUnknown) as problem:
        return work, problem
    return work, None


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_run_stopped_wherever_it_waits_asks_the_vendor_to_stop_or_records_it(
    home: Path,
    sandbox: Box,
    clip: Path,
    speech: Path,
    endpoint: str,
    record_property: Callable[[str, int], None],
) -> None:
    stopped: list[State] = []
    with Ledger.open(Home(home).create().ledger) as ledger:
        place = Workplace(Home(home), Settings.load(Home(home).settings), ledger)
        for number in range(1, MOST_WAITS):
            sandbox.reset()
            work, problem = asyncio.run(stopped_at(number, endpoint, clip, speech, place, sandbox))
            (job,) = ledger.list(limit=1)
            if work.waits < number:
                break  # it came to its end before
            stopped.append(job.state)
            charges = sandbox.charges()
            assert len(charges) <= 1
            if problem is None:  # too late to be stopped: it was bought, and is here
                assert job.state is State.FETCHED
                continue
            told = [(event.kind, event.to_state) for event in ledger.events(job.id)]
            if job.state in AT_VENDOR:
                # Asked to stop, or noted that this vendor cannot.
                assert any(kind == "cancel" for kind, _ in told), (number, told)
            elif job.state in DEAD:
                assert charges == [], (number, told)
            else:
                assert job.state in (State.UNKNOWN, State.SUCCEEDED), (number, told)
            if charges and job.state is not State.UNKNOWN:
                assert charges[0]["vendor_id"] in (job.vendor_ids or {}).values()
            assert getattr(problem, "job_id", None) in (None, job.id)
        else:
            pytest.fail("it never came to its end")
    assert State.CANCELLED in stopped
    assert len(stopped) >= 8, stopped
    record_property("places", len(stopped))
