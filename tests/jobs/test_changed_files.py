"""What is bought is what was planned: files that are overwritten meanwhile are not sent for it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import break_sound
from viseme.endpoints import endpoint as endpoint_by_id
from viseme.errors import InputError, MediaDamaged
from viseme.home import Home
from viseme.jobs.destination import sandbox_at
from viseme.jobs.inputs import own_sound, read_footage, read_sound
from viseme.jobs.run import Finished, run
from viseme.jobs.signals import Progress, Step
from viseme.jobs.unwritten import clip_window, own_sound_of
from viseme.jobs.wish import Planned, Wish, make_plan
from viseme.jobs.workplace import Watch, Workplace, media_guard
from viseme.ledger import Ledger, State
from viseme.media.digest import digest_file
from viseme.media.track import SoundTrack
from viseme.model import Carry, Clip
from viseme.settings import Settings

# What the fixtures give; their classes are in tests/conftest.py.
Box = Any
Media = Any
Command = Any

AGO_NS = 10**18  # a file that was not written just now: a clock's step is longer than a test


def flipped(path: Path) -> bytes:
    """As many bytes, of which one is another."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    return bytes(content)


def in_place(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(flipped(path))


def replaced_under_its_old_time(path: Path) -> None:
    part = path.with_suffix(".part")
    part.write_bytes(flipped(path))
    os.utime(part, ns=(AGO_NS, AGO_NS))
    part.replace(path)


def cut_off(path: Path) -> None:
    os.truncate(path, 100)


CHANGES: list[Callable[[Path], None]] = [
    in_place,
    replaced_under_its_old_time,
    cut_off,
    Path.unlink,
]


class Desk:
    """A home with a sandbox, to which wishes about real files go."""

    def __init__(self, root: Path, box: Box, **settings: Any) -> None:
        self.box = box
        self.home = Home(root).create()
        self.ledger = Ledger.open(self.home.ledger)
        self.place = Workplace(self.home, Settings(**settings), self.ledger)

    def plan(self, endpoint: str, video: Path, audio: Path | None, **more: Any) -> Planned:
        entry, guard = endpoint_by_id(endpoint), media_guard(self.place)
        for path in {video, audio} - {None}:
            os.utime(str(path), ns=(AGO_NS, AGO_NS))
        clip = read_footage(str(video), entry, guard=guard)
        speech = (
            own_sound(clip, guard=guard)
            if audio is None
            else read_sound(str(audio), entry, guard=guard)
        )
        given = more.pop("given", {})
        return make_plan(Wish(endpoint, given, clip, speech, **more), self.place.settings)

    def buy(self, planned: Planned, report: Callable[[Progress], None] | None = None) -> Finished:
        async def buying() -> Finished:
            where = await sandbox_at(self.box.control, self.home)
            return await run(planned, self.place, where, Watch(report=report or _silent))

        return asyncio.run(buying())

    def refuses(self, planned: Planned, at: Step, change: Callable[[], None]) -> InputError:
        """The error with which it is given up where ``change`` happens at a step."""
        with pytest.raises(InputError) as caught:
            self.buy(planned, once(at, change))
        assert self.ledger.list(limit=1)[0].state is State.FAILED
        assert (self.ledger.list(limit=1)[0].error or {})["message"] == caught.value.message
        assert self.box.charges() == []
        return caught.value

    @property
    def submission_count(self) -> int:
        return sum(len(self.ledger.submissions(job.id)) for job in self.ledger.list())


def _silent(_: Progress) -> None:
    pass


def once(step: Step, change: Callable[[], None]) -> Callable[[Progress], None]:
    """A watcher who does something the first time that he hears of a step."""
    waiting = [change]

    def look(progress: Progress) -> None:
        if progress.step is step and waiting:
            waiting.pop()()

    return look


@pytest.fixture
def desk(home: Path, sandbox: Box) -> Iterator[Desk]:
    opened = Desk(home, sandbox)
    yield opened
    opened.ledger.close()


WAYS = {
    "fal inline": ("fal-sync", Carry.INLINE),
    "fal uploaded": ("fal-sync", Carry.UPLOAD),
    "AI/ML API": ("aimlapi-pixverse", Carry.INLINE),
    "Runware": ("runware-pixverse", Carry.UPLOAD),
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("role", ["video", "audio"])
@pytest.mark.parametrize("way", WAYS)
def test_a_file_changed_before_it_is_carried_is_named_and_nothing_is_submitted(
    way: str, role: str, change: Callable[[Path], None], desk: Desk, media: Media
) -> None:
    files = {"video": media.clip(), "audio": media.speech()}
    endpoint, carry = WAYS[way]
    planned = desk.plan(endpoint, files["video"], files["audio"], carry=carry)
    problem = desk.refuses(planned, Step.PREPARE, lambda: change(files[role]))
    assert f"{files[role].name} was changed while it was being sent" in problem.message
    assert (problem.field, problem.value) == (f"--{role}", str(files[role]))
    assert "Run the same command again" in str(problem.remedy)
    assert desk.submission_count == 0


@pytest.mark.parametrize("role", ["video", "audio"])
@pytest.mark.parametrize("way", ["fal inline", "AI/ML API"])
def test_a_file_changed_when_its_request_is_on_the_way_makes_it_no_whole_request(
    way: str, role: str, desk: Desk, media: Media
) -> None:
    files = {"video": media.clip(), "audio": media.speech()}
    planned = desk.plan(WAYS[way][0], files["video"], files["audio"], carry=Carry.INLINE)
    problem = desk.refuses(planned, Step.SUBMIT, lambda: in_place(files[role]))
    assert problem.value == str(files[role])


@pytest.mark.parametrize("way", ["fal uploaded", "Runware"])
def test_a_file_changed_when_the_vendor_has_it_is_bought_as_it_was(
    way: str, desk: Desk, media: Media
) -> None:
    video, audio = media.clip(), media.speech()
    endpoint, carry = WAYS[way]
    planned = desk.plan(endpoint, video, audio, carry=carry)
    assert desk.buy(planned, once(Step.SUBMIT, lambda: in_place(video))).files
    assert len(desk.box.charges()) == 1


def test_a_file_changed_between_two_of_its_parts_is_not_bought(
    home: Path, sandbox: Box, media: Media
) -> None:
    desk = Desk(home, sandbox, multipart_threshold_bytes=1, multipart_part_bytes=5 * 2**20)
    video = media.clip(frames=60, size=(640, 480), noise=True)
    assert video.stat().st_size > 6 * 2**20
    planned = desk.plan("fal-sync", video, media.speech(), carry=Carry.UPLOAD)
    problem = desk.refuses(planned, Step.UPLOAD, lambda: in_place(video))
    assert problem.field == "--video"
    assert desk.submission_count == 0
    desk.ledger.close()


def matroska(desk: Desk, media: Media) -> tuple[Planned, Path]:
    video = media.clip("clip.mkv", frames=15)
    return desk.plan("fal-sync", video, media.speech()), video


def cut(desk: Desk, media: Media) -> tuple[Planned, Path]:
    video = media.clip(frames=25, sound_seconds=1.0)
    edits = {"unit": "frames", "removals": [{"from": 3, "to": 6}]}
    return desk.plan("fal-pipio", video, None, given={"edits": edits}), video


def window(desk: Desk, media: Media) -> tuple[Planned, Path]:
    video = media.clip(frames=25, sound_seconds=1.0)
    whole = desk.plan("fal-sync", video, None).order.footage
    assert isinstance(whole, Clip)
    clip, write = clip_window(whole, Fraction(0), Fraction(1, 2))
    speech, write_speech = own_sound_of(clip, write)
    wish = Wish("fal-sync", {}, clip, speech, write_footage=write, write_speech=write_speech)
    return make_plan(wish, desk.place.settings), video


MADE = {"remuxed": matroska, "cut": cut, "a window": window}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("how", MADE)
def test_what_is_made_out_of_a_file_that_changed_is_not_bought(
    how: str, change: Callable[[Path], None], desk: Desk, media: Media
) -> None:
    planned, video = MADE[how](desk, media)
    problem = desk.refuses(planned, Step.PREPARE, lambda: change(video))
    assert f"{video.name} was changed while it was being sent" in problem.message
    assert desk.submission_count == 0


@pytest.mark.parametrize("first", [0, 1])
def test_a_window_whose_sound_cannot_be_decoded_is_not_bought(
    desk: Desk, media: Media, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """It is found in the child process: here not a sample is decoded."""
    video = break_sound(media.clip("clip.mp4", frames=100, sound_seconds=4.0))
    guard = media_guard(desk.place)
    clip, write = clip_window(guard.clip(video), Fraction(first, 25), Fraction(3))
    speech, write_speech = own_sound_of(clip, write)
    wish = Wish("fal-sync", {}, clip, speech, write_footage=write, write_speech=write_speech)
    planned = make_plan(wish, desk.place.settings)
    monkeypatch.setattr(SoundTrack, "push", None)
    with pytest.raises(MediaDamaged):
        desk.buy(planned)
    assert desk.box.charges() == []
    assert desk.submission_count == 0


def test_the_same_command_again_buys_the_file_as_it_is_now(
    quick: Command, sandbox: Box, media: Media
) -> None:
    sandbox.fault("stall", operation="upload-token", seconds=1, count=1)
    video, audio = media.clip(), media.speech()
    words = ("run", "fal-sync", "--video", video, "--audio", audio, "--carry", "upload", "--json")
    running = quick.start(*words, "--sandbox", sandbox.control)
    sandbox.await_call("upload-token")
    assert media.clip(frames=15) == video
    ended = running.ended()
    assert ended.code == 2
    assert ended.error["field"] == "--video"
    assert quick.states() == ["FAILED"]
    assert sandbox.charges() == sandbox.calls("submit") == []
    again = quick(*words, "--sandbox", sandbox.control)
    assert again.code == 0, again
    assert again.document["media"]["video"]["digest"] == digest_file(video)
    assert quick.states() == ["FETCHED", "FAILED"]
    assert len(sandbox.charges()) == 1


def test_files_that_are_only_linked_or_touched_by_readers_are_sent(
    desk: Desk, media: Media, tmp_path: Path
) -> None:
    video, audio = media.clip(), media.speech()
    planned = desk.plan("fal-sync", video, audio, carry=Carry.UPLOAD)

    def look() -> None:
        os.link(video, tmp_path / "a-backup")
        video.chmod(0o444)
        audio.read_bytes()

    assert desk.buy(planned, once(Step.PREPARE, look)).files


def test_a_fetched_result_is_known_to_whoever_reads_it_next_with_the_same_place(
    desk: Desk, media: Media
) -> None:
    [path] = desk.buy(desk.plan("fal-sync", media.clip(), media.speech())).files
    known = desk.place.brought[path]
    assert known.digest == digest_file(path)
    assert media_guard(desk.place).clip(path, known=known).source is known
