"""Requests as the vendors' pages print them, and their answers read."""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from viseme.edits import Addition, EditPlan, Removal
from viseme.endpoints import ENDPOINTS
from viseme.errors import UnreadableAnswer
from viseme.model import (
    Carried,
    Clip,
    InlineMedia,
    Recording,
    ResultItem,
    Speech,
    SpokenText,
    WireRequest,
)
from viseme.sandbox.models import MODELS

VIDEO, AUDIO = "https://v3.fal.media/files/v.mp4", "https://v3.fal.media/files/a.mp3"
WEEK = {"X-Fal-Object-Lifecycle-Preference": '{"expiration_duration_seconds": 604800}'}


def written(
    endpoint_id: str,
    clip: Clip,
    speech: Speech,
    given: dict[str, Any] | None = None,
    video: Carried = VIDEO,
) -> WireRequest:
    entry = ENDPOINTS[endpoint_id]
    order = entry.order(given or {}, clip, speech)
    sound = None if isinstance(speech, SpokenText) else AUDIO
    return entry.write_request(order, video, sound, timing=entry.predict(order, {}))


def test_fal_takes_the_models_input_bare(clip: Clip, speech: Recording) -> None:
    assert written("fal-pixverse", clip, speech) == WireRequest(
        "/fal-ai/pixverse/lipsync", {"video_url": VIDEO, "audio_url": AUDIO}, {}, WEEK
    )
    text = SpokenText("Hello, this is a test message.", "emily")
    assert written("fal-pixverse", clip, text).body == {
        "video_url": VIDEO,
        "text": "Hello, this is a test message.",
        "voice_id": "Emily",
    }
    assert written("fal-sync", clip, speech) == WireRequest(
        "/fal-ai/sync-lipsync/v2/pro",
        {"video_url": VIDEO, "audio_url": AUDIO, "sync_mode": "cut_off"},
        {},
        WEEK,
    )


@pytest.mark.parametrize("endpoint_id", ["fal-pixverse", "fal-sync", "fal-pipio"])
def test_fals_delivery_options_are_query_and_headers(
    endpoint_id: str, clip: Clip, speech: Recording
) -> None:
    given = {
        "webhook": "https://example.com/hook?job=1",
        "queue_priority": "low",
        "start_deadline_seconds": "90",
        "store_io": "false",
        "result_lifetime_seconds": 3600,
    }
    request = written(endpoint_id, clip, speech, given)
    assert request.query == {"fal_webhook": "https://example.com/hook?job=1"}
    headers = dict(request.headers)
    lifetime = json.loads(headers.pop("X-Fal-Object-Lifecycle-Preference"))
    assert lifetime == {"expiration_duration_seconds": 3600}
    assert headers == {
        "X-Fal-Queue-Priority": "low",
        "X-Fal-Request-Timeout": "90",
        "X-Fal-Store-IO": "0",
    }
    assert not set(request.body) & set(given)


def test_pipio_is_sent_every_argument_with_its_default(clip: Clip, speech: Recording) -> None:
    request = written("fal-pipio", clip, speech)
    assert request.path == "/pipio/lipsync"
    assert request.body == {
        "use_custom_prompt": False,
        "custom_prompt": "A high quality video.",
        "video": {"url": VIDEO},
        "audio": {"url": AUDIO},
        "frame_rate": -1,
        "height": -1,
        "width": -1,
        "num_frames": 100,
        "vae_chunk_size": 65,
        "vae_overlap_window_width": 16,
        "frame_block_width": 136,
        "feed_forward_num_splits": 2,
        "face_id_cond_strength": -1,
        "appearance_cond_strength": 1,
        "seed": 42,
    }


def test_pipios_all_is_the_whole_clip_and_never_its_own_100(
    clip: Clip, still: Clip, speech: Recording
) -> None:
    long = replace(clip, frame_count=3000)
    assert written("fal-pipio", long, speech).body["num_frames"] == 3000
    assert written("fal-pipio", long, speech, {"num_frames": 100}).body["num_frames"] == 100
    assert written("fal-pipio", long, speech, {"frame_rate": 50}).body["num_frames"] == 6000
    body = written("fal-pipio", still, speech).body
    assert (body["num_frames"], body["frame_rate"]) == (125, 25)


def test_pipios_edits_are_its_four_lists(clip: Clip, speech: Recording) -> None:
    plan = EditPlan((Addition(70, 8),), (Removal(10, 19, 4), Removal(40, 59, 0)))
    body = written("fal-pipio", clip, speech, {"edits": plan}).body
    assert {name: body[name] for name in body if name.startswith("edit_")} == {
        "edit_addition_start_frames": [70],
        "edit_addition_durations": [8],
        "edit_removal_ranges": [10, 19, 40, 59],
        "edit_removal_bridge_durations": [4, 0],
    }


def test_a_file_in_the_body_stands_where_its_url_would(
    clip: Clip, still: Clip, speech: Recording
) -> None:
    image = InlineMedia(Path("face.png"), "image/png", 1000)
    body = written("fal-pipio", still, speech, video=image).body
    assert body["video"] == {"url": image, "content_type": "image/png"}
    video = InlineMedia(Path("clip.mp4"), "video/mp4", 1000)
    assert written("aimlapi-pixverse", clip, speech, video=video).body["video_url"] is video


def test_aimlapi_takes_model_and_fields(clip: Clip, speech: Recording) -> None:
    assert written("aimlapi-pixverse", clip, speech) == WireRequest(
        "",
        {"model": "pixverse/lip-sync", "video_url": VIDEO, "audio_url": AUDIO},
    )
    assert written("aimlapi-pixverse", clip, SpokenText("Hello")).body == {
        "model": "pixverse/lip-sync",
        "video_url": VIDEO,
        "lip_sync_tts_content": "Hello",
        "lip_sync_tts_speaker": "Auto",
    }


def test_runware_takes_a_task_whose_uuid_the_service_adds(clip: Clip, speech: Recording) -> None:
    task = {
        "taskType": "videoInference",
        "model": "pixverse:lipsync@1",
        "outputType": "URL",
        "outputFormat": "MP4",
        "outputQuality": 95,
        "deliveryMethod": "async",
        "includeCost": True,
        "numberResults": 1,
    }
    assert written("runware-pixverse", clip, speech) == WireRequest(
        "", {**task, "inputs": {"referenceVideos": [VIDEO], "audio": AUDIO}}
    )
    assert written("runware-pixverse", clip, SpokenText("Hello", "EMILY")).body == {
        **task,
        "inputs": {"referenceVideos": [VIDEO]},
        "speech": {"text": "Hello", "voice": "Emily"},
    }


def test_runwares_optional_parameters_are_sent_where_given(clip: Clip, speech: Recording) -> None:
    given = {
        "webhookURL": "https://example.com/hook",
        "uploadEndpoint": "https://example.com/put?sig=1",
        "ttl": 60,
        "numberResults": 4,
        "outputFormat": "webm",
        "includeCost": False,
    }
    body = written("runware-pixverse", clip, speech, given).body
    assert {name: body[name] for name in given} == {**given, "outputFormat": "WEBM"}


def test_a_results_suffix_follows_from_its_format(clip: Clip, speech: Recording) -> None:
    runware = ENDPOINTS["runware-pixverse"]
    for given, suffix in (({}, ".mp4"), ({"outputFormat": "WEBM"}, ".webm")):
        assert runware.result_suffix(runware.order(given, clip, speech)) == suffix
    sync = ENDPOINTS["fal-sync"]
    assert sync.result_suffix(sync.order({}, clip, speech)) == ".mp4"


@pytest.mark.parametrize(
    ("given", "safety"),
    [
        ({}, None),
        ({"checkContent": False, "mode": "none"}, None),
        ({"checkContent": True}, {"checkContent": True}),
        ({"mode": "full"}, {"checkContent": True, "mode": "full"}),
        ({"checkContent": True, "mode": "fast"}, {"checkContent": True, "mode": "fast"}),
    ],
)
def test_runwares_safety_is_sent_as_it_is_meant(
    given: dict[str, Any], safety: dict[str, Any] | None, clip: Clip, speech: Recording
) -> None:
    body = written("runware-pixverse", clip, speech, {"safety": given}).body
    assert body.get("safety") == safety


@pytest.mark.parametrize(
    ("endpoint_id", "given"),
    [
        *((endpoint_id, {}) for endpoint_id in ENDPOINTS),
        ("fal-sync", {"sync_mode": "remap"}),
        ("fal-pipio", {"edits": EditPlan((Addition(100, 8),), (Removal(10, 19, 4),))}),
        ("fal-pipio", {"height": -2, "width": 512, "frame_rate": 30, "vae_chunk_size": 9}),
        ("runware-pixverse", {"safety": {"checkContent": True}, "ttl": 60, "numberResults": 4}),
        ("runware-pixverse", {"safety": {"mode": "full"}, "webhookURL": "https://example.com"}),
    ],
)
def test_the_sandbox_which_reads_the_pages_for_itself_takes_every_request(
    endpoint_id: str, given: dict[str, Any], clip: Clip, speech: Recording
) -> None:
    entry = ENDPOINTS[endpoint_id]
    simulated = MODELS[(entry.vendor.value, entry.vendor_model)]
    spoken: list[Speech] = [speech, SpokenText("Hello")] if entry.takes_text else [speech]
    for said in spoken:
        body = dict(written(endpoint_id, clip, said, given).body)
        if endpoint_id == "runware-pixverse":
            body["taskUUID"] = "0f8fad5b-d9cb-469f-a165-70867728950e"
        assert simulated.check(body) == []


# ---------------------------------------------------------------------------------- answers


@pytest.mark.parametrize("endpoint_id", ["fal-pixverse", "fal-sync", "fal-pipio"])
def test_fals_file_is_the_result(endpoint_id: str) -> None:
    file = {
        "url": "https://v3.fal.media/files/output.mp4?sig=secret",
        "file_name": "output.mp4",
        "content_type": "video/mp4",
        "file_size": 1732359,
        "file_data": "AAAA",
    }
    result = ENDPOINTS[endpoint_id].read_result({"video": file})
    assert result.items == (ResultItem(url=file["url"]),)  # type: ignore[arg-type]
    assert result.vendor_output == {
        "video": {
            "url": "https://v3.fal.media/files/output.mp4",
            "file_name": "output.mp4",
            "content_type": "video/mp4",
            "file_size": 1732359,
        }
    }
    assert (result.cost_usd, result.expected_items) == (None, 1)
    bare = ENDPOINTS[endpoint_id].read_result({"video": {"url": "data:video/mp4;base64,AAAA"}})
    assert bare.items == (ResultItem(data="data:video/mp4;base64,AAAA"),)
    assert "AAAA" not in str(bare.vendor_output)


@pytest.mark.parametrize("status", ["completed", "succeeded"])
@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"credits_used": 2000000}, "1"),
        ({"credits_used": 480000}, "0.24"),
        ({"credits_used": 480000, "usd_spent": 0.26}, "0.26"),
        ({"usd_spent": "0.1"}, "0.1"),
        ({}, None),
        ({"credits_used": "many"}, None),
        (None, None),
    ],
)
def test_aimlapi_ends_well_in_two_words_and_names_its_cost(
    status: str, usage: Any, cost: str | None
) -> None:
    body = {
        "id": "z-IMFJo2ORUJBR7OWIqDM",
        "status": status,
        "video": {"url": "https://cdn.aimlapi.com/a.mp4?token=secret"},
        "error": None,
        "meta": {"usage": usage},
    }
    result = ENDPOINTS["aimlapi-pixverse"].read_result(body)
    assert result.items == (
        ResultItem(
            url="https://cdn.aimlapi.com/a.mp4?token=secret", vendor_id="z-IMFJo2ORUJBR7OWIqDM"
        ),
    )
    assert result.cost_usd == (None if cost is None else Decimal(cost))
    assert result.vendor_output == {**body, "video": {"url": "https://cdn.aimlapi.com/a.mp4"}}


def _runware_item(number: int, **more: Any) -> dict[str, Any]:
    return {
        "taskType": "videoInference",
        "taskUUID": "t",
        "videoUUID": f"v{number}",
        "seed": number,
        "NSFWContent": False,
        **more,
    }


def test_all_of_runwares_results_count_however_they_are_delivered() -> None:
    body = {
        "data": [
            _runware_item(1, videoURL="https://vm.runware.ai/1.mp4?s=secret", cost=0.0136),
            _runware_item(2, videoBase64Data="AAAA", cost=0.0136),
            _runware_item(3, videoDataURI="data:video/mp4;base64,BBBB", cost=0.0136),
            _runware_item(1, videoURL="https://vm.runware.ai/1.mp4?s=secret", cost=0.0136),
            {"taskType": "videoInference", "taskUUID": "t", "status": "processing"},
        ]
    }
    result = ENDPOINTS["runware-pixverse"].read_result(body, expected_items=3)
    assert result.items == (
        ResultItem(url="https://vm.runware.ai/1.mp4?s=secret", vendor_id="v1"),
        ResultItem(data="AAAA", vendor_id="v2"),
        ResultItem(data="data:video/mp4;base64,BBBB", vendor_id="v3"),
    )
    assert result.cost_usd == Decimal("0.0408")
    assert (result.expected_items, result.notes) == (3, ())
    first = result.vendor_output["results"][0]
    assert first == _runware_item(1, videoURL="https://vm.runware.ai/1.mp4", cost=0.0136)
    for hidden in ("AAAA", "BBBB", "secret"):
        assert hidden not in str(result.vendor_output)


def test_a_partial_end_names_what_is_missing() -> None:
    body = {
        "data": [_runware_item(1, videoURL="https://vm.runware.ai/1.mp4", cost=0.0136)],
        "errors": [{"code": "nsfwContentDetected", "message": "Refused.", "taskUUID": "t"}],
    }
    result = ENDPOINTS["runware-pixverse"].read_result(body, expected_items=2)
    assert (len(result.items), result.expected_items) == (1, 2)
    assert result.notes == ("nsfwContentDetected: Refused.",)
    assert result.vendor_output["errors"][0]["code"] == "nsfwContentDetected"


def test_a_cost_that_not_all_results_have_is_said_so() -> None:
    items = [_runware_item(n, videoURL=f"https://vm.runware.ai/{n}.mp4") for n in (1, 2)]
    items[0]["cost"] = 0.0136
    result = ENDPOINTS["runware-pixverse"].read_result({"data": items}, expected_items=2)
    assert result.cost_usd == Decimal("0.0136")
    assert result.notes == ("Runware named a cost for 1 of 2 results.",)


@pytest.mark.parametrize(
    ("endpoint_id", "body"),
    [
        ("fal-pixverse", {}),
        ("fal-pixverse", {"video": None}),
        ("fal-pixverse", {"video": {"url": ""}}),
        ("fal-sync", {"detail": "secret"}),
        ("fal-pipio", {"video": {"url": 3}}),
        ("aimlapi-pixverse", {"status": "generating", "video": {"url": "https://x"}}),
        ("aimlapi-pixverse", {"status": "completed", "video": None}),
        ("aimlapi-pixverse", {"status": "succeeded", "video": {"url": ""}}),
        ("runware-pixverse", {}),
        ("runware-pixverse", {"data": []}),
        ("runware-pixverse", {"data": "secret"}),
        ("runware-pixverse", {"data": [None, {"videoURL": None}]}),
    ],
)
def test_an_answer_without_a_result_is_unreadable_and_not_quoted(
    endpoint_id: str, body: dict[str, Any]
) -> None:
    with pytest.raises(UnreadableAnswer) as caught:
        ENDPOINTS[endpoint_id].read_result(body)
    assert "secret" not in str(caught.value)
    assert caught.value.remedy
