"""What the ledger keeps of an order makes the same purchase again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from viseme.endpoints import endpoint as endpoint_by_id
from viseme.errors import InputError
from viseme.home import Home
from viseme.jobs.inputs import own_sound, read_footage, read_sound
from viseme.jobs.orders import order_json, planned_from_order
from viseme.jobs.run import fingerprint_arguments
from viseme.jobs.wish import Planned, Wish, make_plan
from viseme.jobs.workplace import Workplace
from viseme.ledger import JobRecord, Ledger, NewJob, fingerprint
from viseme.model import Carry, Clip, Quote, SpokenText, Vendor
from viseme.settings import Settings

Media = Any


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    home = Home(tmp_path / "home").create()
    with Ledger.open(home.ledger) as ledger:
        yield Workplace(home, Settings(), ledger)


def mark(planned: Planned) -> str:
    return fingerprint(
        destination="live",
        account="a",
        endpoint=planned.endpoint.id,
        arguments=fingerprint_arguments(planned),
        footage=planned.order.footage,
        speech=planned.order.speech,
        take=planned.wish.take,
    )


def kept(planned: Planned, place: Workplace) -> JobRecord:
    """The job as it stands in the ledger."""
    job, is_new = place.ledger.claim(
        NewJob(
            fingerprint=mark(planned),
            endpoint=planned.endpoint.id,
            vendor=Vendor.FAL,
            destination="live",
            account="a",
            quote=Quote(Decimal(0), Decimal(0), ""),
            order=json.loads(json.dumps(order_json(planned))),
        )
    )
    assert is_new
    return job


Make = Callable[[Media], Wish]


def recorded(endpoint: str, media: Media, given: Any = None, **more: Any) -> Wish:
    entry = endpoint_by_id(endpoint)
    clip = read_footage(str(media.clip()), entry)
    return Wish(endpoint, given or {}, clip, read_sound(str(media.speech()), entry), **more)


def spoken(endpoint: str, media: Media, voice: str | None) -> Wish:
    clip = read_footage(str(media.clip()), endpoint_by_id(endpoint))
    return Wish(endpoint, {}, clip, SpokenText("Hello there.", voice))


def remote(media: Media) -> Wish:
    entry = endpoint_by_id("runware-pixverse")
    clip = read_footage("6f1f6e9c-8a61-4a53-9a5c-0c8a4b1f2d3e", entry)
    return Wish(entry.id, {}, clip, read_sound("https://example.com/a.wav", entry))


def own(media: Media) -> Wish:
    clip = read_footage(str(media.clip(frames=25, sound_seconds=1.0)), endpoint_by_id("fal-pipio"))
    assert isinstance(clip, Clip)
    edits = {"unit": "frames", "removals": [{"from": 3, "to": 6, "bridge": 2}]}
    return Wish("fal-pipio", {"edits": edits}, clip, own_sound(clip))


def still(media: Media) -> Wish:
    entry = endpoint_by_id("fal-pipio")
    face = read_footage(str(media.still()), entry)
    return Wish("fal-pipio", {}, face, read_sound(str(media.speech()), entry))


WISHES: dict[str, Make] = {
    "sync": lambda m: recorded("fal-sync", m, {"sync_mode": "loop"}),
    "as text": lambda m: recorded("runware-pixverse", m, {"numberResults": "3"}, take=4),
    "carry": lambda m: recorded("fal-sync", m, carry=Carry.UPLOAD),
    "nested": lambda m: recorded("runware-pixverse", m, {"safety": {"mode": "fast"}}),
    "pipio": lambda m: recorded("fal-pipio", m, {"num_frames": "6", "frame_rate": "10"}),
    "edited": lambda m: recorded(
        "fal-pipio",
        m,
        {"edits": {"unit": "frames", "additions": [{"at": 3, "duration": 2}]}},
        sound_is_edited=True,
    ),
    "own sound": own,
    "still": still,
    "text at fal": lambda m: spoken("fal-pixverse", m, "emily"),
    "text at AI/ML API": lambda m: spoken("aimlapi-pixverse", m, None),
    "text at Runware": lambda m: spoken("runware-pixverse", m, "Sophia"),
    "remote": remote,
}


@pytest.mark.parametrize("name", WISHES)
def test_an_order_from_the_ledger_is_the_same_purchase(
    name: str, media: Media, place: Workplace
) -> None:
    planned = make_plan(WISHES[name](media), Settings())
    job = kept(planned, place)
    again = planned_from_order(job, place)
    assert mark(again) == mark(planned) == job.fingerprint
    assert again.order == planned.order
    assert again.purchase == planned.purchase
    assert again.wish.carry is planned.wish.carry
    assert again.wish.sound_is_edited is planned.wish.sound_is_edited


@pytest.mark.parametrize("role", ["--video", "--audio"])
def test_a_file_that_has_changed_is_not_taken_for_the_one_that_was_ordered(
    role: str, media: Media, place: Workplace
) -> None:
    job = kept(make_plan(recorded("fal-sync", media), Settings()), place)
    if role == "--video":
        media.clip(frames=14)
    else:
        media.speech(seconds=0.5)
    with pytest.raises(InputError) as caught:
        planned_from_order(job, place)
    assert caught.value.field == role
    assert caught.value.job_id == job.id
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["clip.mp4", "speech.wav"])
def test_a_file_that_is_gone_is_named(name: str, media: Media, place: Workplace) -> None:
    job = kept(make_plan(recorded("fal-sync", media), Settings()), place)
    (media.folder / name).unlink()
    with pytest.raises(InputError, match=name):
        planned_from_order(job, place)


def test_the_voice_the_arguments_and_the_take_are_part_of_the_purchase_and_the_carry_is_not(
    media: Media,
) -> None:
    plans = [
        make_plan(wish, Settings())
        for wish in (
            spoken("fal-pixverse", media, "Emily"),
            spoken("fal-pixverse", media, "James"),
            recorded("fal-sync", media),
            recorded("fal-sync", media, take=2),
            recorded("fal-sync", media, {"sync_mode": "loop"}),
        )
    ]
    assert len({mark(planned) for planned in plans}) == len(plans)
    same = make_plan(recorded("fal-sync", media, {"logs": "false"}, carry=Carry.UPLOAD), Settings())
    assert mark(same) == mark(plans[2])


FRAMES_CUT = {"unit": "frames", "removals": [{"from": 3, "to": 6, "bridge": 2}]}


def fetched(media: Media, *, clip: bool, edits: Any) -> Wish:
    """An edit plan where the vendor fetches the clip or the speech itself."""
    entry, url = endpoint_by_id("fal-pipio"), "https://example.com/medium"
    return Wish(
        entry.id,
        {"edits": edits, **({"num_frames": 12} if clip else {})},
        read_footage(url if clip else str(media.clip()), entry),
        read_sound(str(media.speech()) if clip else url, entry),
    )


UNCUT: dict[str, Make] = {
    "no edits": lambda m: recorded("fal-pipio", m),
    "an empty plan": lambda m: recorded("fal-pipio", m, {"edits": {"unit": "frames"}}),
    "no edits there": lambda m: recorded("fal-sync", m),
    "text": lambda m: spoken("fal-pixverse", m, None),
    "fetched speech": lambda m: fetched(m, clip=False, edits=FRAMES_CUT),
    "fetched clip": lambda m: fetched(m, clip=True, edits=FRAMES_CUT),
    "nothing known here": remote,
}


@pytest.mark.parametrize("name", UNCUT)
def test_to_call_sound_edited_that_is_not_cut_anyway_makes_no_other_purchase(
    name: str, media: Media
) -> None:
    wish = UNCUT[name](media)
    plans = [
        make_plan(replace(wish, sound_is_edited=is_edited), Settings())
        for is_edited in (False, True)
    ]
    assert len({mark(planned) for planned in plans}) == 1
    assert "sound_is_edited" not in fingerprint_arguments(plans[1])


@pytest.mark.parametrize("of_clip", [False, True])
def test_sound_that_would_be_cut_is_another_purchase_where_it_is_called_edited(
    of_clip: bool, media: Media
) -> None:
    wish = own(media) if of_clip else recorded("fal-pipio", media, {"edits": FRAMES_CUT})
    cut = make_plan(wish, Settings())
    as_is = make_plan(replace(wish, sound_is_edited=True), Settings())
    assert mark(cut) != mark(as_is)
    # As ledgers have it that were written before.
    assert fingerprint_arguments(as_is) == {**fingerprint_arguments(cut), "sound_is_edited": True}
