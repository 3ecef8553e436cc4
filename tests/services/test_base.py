"""What every service does alike: retries of free calls, one sending of paid ones, a hidden key."""

from __future__ import annotations

import asyncio
import base64
import json
import traceback
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from viseme.addresses import Addresses
from viseme.errors import CredentialError, UnreadableAnswer, VisemeError
from viseme.model import InlineMedia, Vendor
from viseme.secret import Secret
from viseme.services import SERVICES
from viseme.services.base import OutgoingFile, Phase, body_arguments
from viseme.services.fal import queue_paths
from viseme.services.reading import is_content_refusal, objects
from viseme.settings import Settings
from viseme.transport import AnswerLost, NotSent, Transport

Serve = Callable[..., Any]
IDS = {
    Vendor.FAL: {"request_id": "r1", **queue_paths("/fal-ai/pixverse/lipsync", "r1")},
    Vendor.AIMLAPI: {"generation_id": "g1"},
    Vendor.RUNWARE: {"taskUUID": "0a0b0c0d-0000-4000-8000-000000000001"},
}
RUNNING = {
    Vendor.FAL: {"status": "IN_PROGRESS"},
    Vendor.AIMLAPI: {"status": "generating"},
    Vendor.RUNWARE: {
        "data": [{"taskUUID": IDS[Vendor.RUNWARE]["taskUUID"], "status": "processing"}]
    },
}
vendors = pytest.mark.parametrize("vendor", list(Vendor))


def ask(party: Any, vendor: Vendor, **options: Any) -> Any:
    return party.run(
        vendor, lambda service: service.report(IDS[vendor], logs=True, items=1), **options
    )


# Free calls


@vendors
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_poll_is_made_three_times_at_most(
    played: Callable[..., Any], vendor: Vendor, status: int
) -> None:
    trouble = (status, b"<html>trouble</html>", {"Retry_After": "0"})
    party, server = played(trouble, trouble, (200, RUNNING[vendor]))
    assert ask(party, vendor).phase is Phase.RUNNING
    assert len(server.heads) == 3
    party, server = played(trouble)
    with pytest.raises(VisemeError):
        ask(party, vendor)
    assert len(server.heads) == 3


@vendors
@pytest.mark.parametrize("status", [400, 401, 402, 403, 405, 409, 418, 501])
def test_what_will_not_pass_is_asked_once(
    played: Callable[..., Any], vendor: Vendor, status: int
) -> None:
    party, server = played((status, b"no"))
    with pytest.raises(VisemeError) as caught:
        ask(party, vendor)
    assert len(server.heads) == 1
    assert caught.value.http_status == status


@vendors
def test_a_connection_that_breaks_is_made_again(
    wire_server: Serve, played: Callable[..., Any], vendor: Vendor
) -> None:
    def script(wire: Any) -> None:
        wire.read_request()
        if wire.number == 1:
            wire.reset()
        elif wire.number == 3:
            wire.answer(200, RUNNING[vendor])

    server = wire_server(script)
    party = played((200, {}))[0]
    party.base_urls = dict.fromkeys(party.base_urls, server.url)
    assert ask(party, vendor).phase is Phase.RUNNING
    assert server.connection_count == 3


@vendors
@pytest.mark.parametrize(
    ("fault", "seconds"), [("503", 0), ("429", 0), ("500", 0), ("drop-before-accept", 0)]
)
def test_polls_survive_trouble_in_the_sandbox(
    box: Any, party: Any, vendor: Vendor, fault: str, seconds: float
) -> None:
    ids = party.submit(vendor)
    box.fault(fault, count=2, operation="status", seconds=seconds)
    said = party.run(vendor, lambda service: service.report(ids, logs=True, items=1))
    assert said.phase in (Phase.QUEUED, Phase.RUNNING, Phase.SUCCEEDED)
    calls = box.calls("status")
    refused = {"503": 503, "429": 429, "500": 500, "drop-before-accept": None}[fault]
    assert [call["status"] for call in calls][:2] == [refused] * 2
    assert len(calls) == 3
    assert len(box.calls("submit")) == 1


@vendors
def test_addresses_are_asked_for_again_when_nobody_answers(
    wire_server: Serve, vendor: Vendor
) -> None:
    """A sandbox that came back on another port."""
    server = wire_server(lambda wire: wire.read_request() and wire.answer(200, RUNNING[vendor]))
    names = ("fal.queue", "aimlapi", "runware")

    async def reload() -> dict[str, str]:
        return dict.fromkeys(names, server.url)

    async def run() -> Phase:
        addresses = Addresses(dict.fromkeys(names, "http://127.0.0.1:1"), reload)
        async with Transport(addresses) as transport:
            service = SERVICES[vendor](transport, Secret("sandbox-id:x"), Settings())
            return (await service.report(IDS[vendor], logs=True, items=1)).phase

    assert asyncio.run(run()) is Phase.RUNNING


# Paid ones


@vendors
@pytest.mark.parametrize("fault", ["429", "503", "500", "drop-before-accept", "drop-after-accept"])
def test_a_submission_is_sent_once_whatever_comes_back(
    box: Any, party: Any, vendor: Vendor, fault: str
) -> None:
    box.fault(fault, count=1, operation="submit", seconds=0)
    with pytest.raises(VisemeError) as caught:
        party.submit(vendor)
    assert isinstance(caught.value, AnswerLost) is (fault != "429")
    assert len(box.calls("submit")) == 1
    assert box.charge_count() == (1 if fault == "drop-after-accept" else 0)


@vendors
def test_a_submission_to_nobody_is_not_sent(party: Any, vendor: Vendor) -> None:
    party.base_urls = dict.fromkeys(party.base_urls, "http://127.0.0.1:1")
    with pytest.raises(NotSent):
        party.submit(vendor)


@vendors
def test_no_credit_and_a_bad_key_are_told_apart(box: Any, party: Any, vendor: Vendor) -> None:
    for fault, kind in (("no-credit", "out_of_credit"), ("bad-key", "credentials")):
        box.fault(fault, count=1, operation="submit")
        with pytest.raises(VisemeError) as caught:
            party.submit(vendor)
        assert caught.value.kind == kind
        assert caught.value.remedy
    assert box.charge_count() == 0


# The key

BAD_KEYS = ["", "a b", "abc\n", "abc\r\nX-Evil: 1", "schlüssel", "abc\x00", "ключ", "a\tb"]


@vendors
@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_key_that_cannot_stand_in_a_header_is_refused_unsaid(
    party: Any, vendor: Vendor, key: str
) -> None:
    with pytest.raises(CredentialError) as caught:
        ask(party, vendor, key=key)
    if key:
        assert key not in everything_of(caught.value)
    assert caught.value.exit_code == 3
    assert f"viseme login {vendor.value}" in str(caught.value.remedy)


def everything_of(problem: BaseException) -> str:
    """Every text of an error: its own, those of its causes, and what stands in its fields."""
    texts = traceback.format_exception(problem)
    seen: BaseException | None = problem
    while seen is not None:
        texts += [str(seen), repr(seen), repr(vars(seen)), repr(seen.args)]
        seen = seen.__cause__ or seen.__context__
    return "\n".join(texts)


def forms_of(key: str) -> set[str]:
    parts = {key, *(part for part in key.split(":") if len(part) >= 12)}
    packed = {base64.b64encode(part.encode()).decode().rstrip("=") for part in parts}
    return parts | packed | {quote(part, safe="") for part in parts}


def actions(party: Any, vendor: Vendor, folder: Any) -> dict[str, Callable[[Any], Awaitable[Any]]]:
    """Everything that a service can be asked for."""
    path = folder / "clip.mp4"
    path.write_bytes(b"abc")
    ids = IDS[vendor]

    async def submit(service: Any) -> Any:
        return await service.submit(service.submission(party.request(vendor), str(uuid.uuid4())))

    found: dict[str, Callable[[Any], Awaitable[Any]]] = {
        "submit": submit,
        "report": lambda service: service.report(ids, logs=True, items=1),
        "look_up": lambda service: service.look_up(party.trace(vendor, ids.get("taskUUID", "t"))),
    }
    if vendor is not Vendor.AIMLAPI:
        file = OutgoingFile(path, "video/mp4", 3, "clip.mp4")
        found["upload"] = lambda service: service.upload(file)
    if vendor is Vendor.FAL:
        found["cancel"] = lambda service: service.cancel(ids)
    if vendor is Vendor.RUNWARE:
        found["delete"] = lambda service: service.delete_upload("m")
    return found


def echoes(key: str) -> dict[str, Callable[[Any], None]]:
    """Ways in which a vendor may go wrong, most of them repeating the key."""
    text = f"Invalid key {key}, or Bearer {key}"
    task = IDS[Vendor.RUNWARE]["taskUUID"]
    bodies: dict[str, Any] = {
        "fal": {"detail": text, "error_type": "x"},
        "fal-list": {"detail": [{"loc": ["body", key], "msg": text, "type": key}]},
        "aiml": {"message": text},
        "runware": {"errors": [{"code": "x", "message": text, "taskUUID": task}]},
        "html": f"<html>{text}</html>",
    }

    def saying(status: int, body: Any) -> Callable[[Any], None]:
        def script(wire: Any) -> None:
            while wire.read_request():
                wire.answer(status, body, Retry_After="0", X_Fal_Error_Type=key)

        return script

    found = {
        f"{name}-{status}": saying(status, body)
        for name, body in bodies.items()
        for status in (200, 400, 401, 403, 422, 429, 503)
    }
    found["drop"] = lambda wire: wire.read_request() and wire.reset()
    found["garbage"] = lambda wire: wire.read_request() and wire.send(f"{key}\r\n".encode())
    found["half"] = lambda wire: (
        wire.read_request()
        and wire.send(f"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{text}".encode())
    )
    found["failed"] = saying(200, {"status": "COMPLETED", "error": text, "error_type": key})
    found["ended"] = saying(200, {"status": "error", "error": {"message": text, "name": key}})
    return found


@vendors
def test_no_error_has_the_key_in_it(
    wire_server: Serve, party: Any, vendor: Vendor, tmp_path: Any
) -> None:
    key = "0b1c2d3e-canary-id:c4n4ry5ecret0123456789"
    hidden = forms_of(key)
    count = 0
    for name, script in echoes(key).items():
        server = wire_server(script)
        party.base_urls = dict.fromkeys(party.base_urls, server.url)
        for action, use in actions(party, vendor, tmp_path).items():
            try:
                result = party.run(vendor, use, key=key)
            except VisemeError as problem:
                said = everything_of(problem)
                count += 1
            else:
                said = repr(result)
                if (inner := getattr(result, "problem", None)) is not None:
                    said += everything_of(inner)
            leaked = [form for form in hidden if form in said]
            assert not leaked, f"{name}, {action}: {said[:2000]}"
        server.close()
    assert count >= 60


@vendors
def test_a_submission_shows_no_key(party: Any, vendor: Vendor) -> None:
    async def use(service: Any) -> str:
        return repr(service.submission(party.request(vendor), str(uuid.uuid4())))

    key = "0b1c2d3e-canary-id:c4n4ry5ecret0123456789"
    said = party.run(vendor, use, key=key)
    assert not [form for form in forms_of(key) if form in said]


# Reading


@pytest.mark.parametrize(
    ("code", "is_refusal"),
    [
        ("content_policy_violation", True),
        ("contentPolicyViolation", True),
        ("providerContentPolicyViolation", True),
        ("nsfwContentDetected", True),
        ("NSFW", True),
        ("moderation_failed", True),
        ("content_type", False),
        ("internal_error", False),
        ("", False),
        (None, False),
    ],
)
def test_what_refuses_the_content_itself(code: str | None, is_refusal: bool) -> None:
    assert is_content_refusal(code) is is_refusal


CLIP = InlineMedia(Path("clip.mp4"), "video/mp4", 3)
SPEECH = "https://example.com/speech.mp3"


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ({}, {}),
        ({"video_url": CLIP, "audio_url": SPEECH, "sync_mode": "loop"}, {"sync_mode": "loop"}),
        ({"video": {"url": CLIP, "name": "v"}, "seed": 42}, {"video": {"name": "v"}, "seed": 42}),
        ({"text": "Hello", "n": None, "x": [1, [2.5, True]]}, None),
        (
            {"inputs": {"referenceVideos": [SPEECH], "a": []}, "k": {}},
            {"inputs": {"a": []}, "k": {}},
        ),
        ({"deep": [{"a": 1, "b": [CLIP]}], "flat": [{"a": 1}]}, {"flat": [{"a": 1}]}),
        ({"text": "https://example.com/another.mp3"}, None),
    ],
)
def test_what_of_a_body_is_no_medium_is_kept(body: Any, left: Any) -> None:
    kept = body_arguments(body, [CLIP, SPEECH])
    assert kept == (body if left is None else left)
    assert json.loads(json.dumps(kept)) == kept


@pytest.mark.parametrize("entries", [None, {}, "text", 5, [1, None, "x", []]])
def test_what_is_no_list_of_objects_has_none(entries: Any) -> None:
    assert objects(entries) == []


def test_the_services_are_one_a_vendor() -> None:
    assert {vendor: service.vendor for vendor, service in SERVICES.items()} == {
        vendor: vendor for vendor in Vendor
    }
    assert UnreadableAnswer.exit_code == 4


# Retries in an outage


async def polled(service: Any, ids: Any, count: int) -> list[int]:
    """The statuses of polls that an outage answers."""
    statuses = []
    for _ in range(count):
        with pytest.raises(VisemeError) as raised:
            await service.report(ids, logs=False, items=1)
        statuses.append(raised.value.http_status or 0)
    return statuses


@pytest.mark.parametrize("vendor", Vendor)
def test_in_an_outage_polls_are_hardly_made_again_and_after_it_all_goes_on(
    party: Any, box: Any, vendor: Vendor
) -> None:
    ids = party.submit(vendor)
    box.fault("503", operation="status", count=10_000)
    outage = lambda service: polled(service, ids, 100)  # noqa: E731
    assert set(party.run(vendor, outage)) == {503}
    burst = len(box.calls("status"))
    assert 100 < burst <= 110
    # Another service of the same process has no more retries either.
    party.run(vendor, outage)
    assert len(box.calls("status")) == burst + 100

    box.end_faults()

    async def follow(service: Any) -> Any:
        while not (report := await service.report(ids, logs=False, items=1)).phase.is_end:
            await asyncio.sleep(0.01)
        for _ in range(10):  # each gives back a tenth of a retry, or more
            await service.report(ids, logs=False, items=1)
        return report

    assert party.run(vendor, follow).phase is Phase.SUCCEEDED
    box.fault("503", operation="status", count=1)

    async def ask(service: Any) -> Any:
        return await service.report(ids, logs=False, items=1)

    assert party.run(vendor, ask).phase is Phase.SUCCEEDED  # made again


@pytest.mark.parametrize("vendor", Vendor)
def test_looking_up_and_uploading_have_their_tries_though_polls_have_used_up_theirs(
    played: Callable[..., Any], party: Any, vendor: Vendor
) -> None:
    broken, server = played((503, b"busy"))

    async def use(service: Any) -> tuple[int, int, int]:
        await polled(service, IDS[vendor], 30)
        before = len(server.heads)
        await polled(service, IDS[vendor], 1)
        single = len(server.heads) - before
        with pytest.raises(VisemeError):
            await service.look_up(party.trace(vendor, str(uuid.uuid4())))
        looked = len(server.heads) - before - single
        await service.call("GET", "/anything")
        return single, looked, len(server.heads) - before - single - looked

    assert broken.run(vendor, use) == (1, 3, 3)
