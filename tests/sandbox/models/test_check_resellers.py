from __future__ import annotations

from typing import Any

import pytest

from viseme.sandbox.models import MODELS

AIMLAPI = MODELS["aimlapi", "pixverse/lip-sync"]
RUNWARE = MODELS["runware", "pixverse:lipsync@1"]
VIDEO = "https://example.com/a.mp4"
AUDIO = "https://example.com/a.mp3"
UUID = "3f2b8c1e-7a4d-4b6e-9c1f-2a3b4c5d6e7f"
SPOKEN = {"lip_sync_tts_content": "Hello", "lip_sync_tts_speaker": "Harper"}


def found(model: Any, body: dict[str, Any]) -> list[tuple[tuple[str | int, ...], str]]:
    return [(problem.loc, problem.type) for problem in model.check(body)]


def aimlapi(**fields: Any) -> dict[str, Any]:
    return {"model": "pixverse/lip-sync", "video_url": VIDEO, **fields}


def runware(**fields: Any) -> dict[str, Any]:
    return {
        "taskType": "videoInference",
        "taskUUID": UUID,
        "model": "pixverse:lipsync@1",
        "inputs": {"referenceVideos": [UUID], "audio": AUDIO},
        **fields,
    }


def test_aimlapi_takes_sound_or_a_text_with_a_voice() -> None:
    assert AIMLAPI.check(aimlapi(audio_url=AUDIO)) == []
    assert AIMLAPI.media(aimlapi(audio_url=AUDIO)) == {"video": VIDEO, "audio": AUDIO}
    assert AIMLAPI.check(aimlapi(**SPOKEN)) == []
    assert AIMLAPI.media(aimlapi(**SPOKEN)) == {"video": VIDEO}
    assert AIMLAPI.check(aimlapi(audio_url="data:audio/wav;base64,UklGRg==")) == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (aimlapi(), [((), "value_error")]),
        (aimlapi(audio_url=AUDIO, **SPOKEN), [((), "value_error")]),
        (aimlapi(audio_url=AUDIO, lip_sync_tts_speaker="Auto"), [((), "value_error")]),
        (aimlapi(lip_sync_tts_content="Hello"), [((), "value_error")]),
        (aimlapi(lip_sync_tts_speaker="Auto"), [((), "value_error")]),
        (aimlapi(audio_url=AUDIO, seed=1), [(("seed",), "extra_forbidden")]),
        (aimlapi(audio_url=None), [(("audio_url",), "null")]),
        (aimlapi(audio_url="UklGRg=="), [(("audio_url",), "url_parsing")]),
        (
            {**aimlapi(audio_url=AUDIO), "video_url": "http://example.com/a.mp4"},
            [(("video_url",), "url_scheme")],
        ),
        (
            {**aimlapi(audio_url=AUDIO), "model": "pixverse/v5"},
            [(("model",), "literal_error")],
        ),
        (
            {**aimlapi(**SPOKEN), "lip_sync_tts_speaker": "auto"},
            [(("lip_sync_tts_speaker",), "literal_error")],
        ),
    ],
)
def test_aimlapi_refuses_what_its_page_does_not_allow(body: Any, expected: Any) -> None:
    assert found(AIMLAPI, body) == expected


def test_a_problem_of_the_whole_body_does_not_repeat_its_media() -> None:
    (problem,) = AIMLAPI.check(aimlapi(audio_url="data:audio/wav;base64," + "A" * 10_000, **SPOKEN))
    assert problem.input is None
    assert len(problem.message) < 200


def test_runware_takes_every_parameter_of_its_page() -> None:
    body = runware(
        outputType="URL",
        outputFormat="WEBM",
        outputQuality=20,
        webhookURL="https://example.com/hook",
        deliveryMethod="async",
        uploadEndpoint="https://example.com/put?X-Amz-Signature=1",
        safety={"checkContent": True, "mode": "full"},
        ttl=60,
        includeCost=True,
        numberResults=4,
    )
    assert RUNWARE.check(body) == []
    assert RUNWARE.media(body) == {"video": UUID, "audio": AUDIO}


def test_runware_speaks_exactly_two_hundred_characters() -> None:
    inputs = {"referenceVideos": [VIDEO]}
    spoken = runware(inputs=inputs, speech={"text": "x" * 200, "voice": "auto"})
    assert RUNWARE.check(spoken) == []
    assert RUNWARE.media(spoken) == {"video": VIDEO}
    spoken = runware(inputs=inputs, speech={"text": "x" * 201, "voice": "auto"})
    assert found(RUNWARE, spoken) == [(("speech", "text"), "string_too_long")]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"taskUUID": "not-one"}, [(("taskUUID",), "uuid_parsing")]),
        (
            {"taskUUID": "3f2b8c1e-7a4d-1b6e-9c1f-2a3b4c5d6e7f"},
            [(("taskUUID",), "uuid_parsing")],
        ),
        ({"taskType": "imageInference"}, [(("taskType",), "literal_error")]),
        ({"seed": 7}, [(("seed",), "extra_forbidden")]),
        ({"outputType": "base64Data"}, [(("outputType",), "literal_error")]),
        ({"outputFormat": "mp4"}, [(("outputFormat",), "literal_error")]),
        ({"outputQuality": 100}, [(("outputQuality",), "less_than_equal")]),
        ({"outputQuality": 19}, [(("outputQuality",), "greater_than_equal")]),
        ({"deliveryMethod": "sync"}, [(("deliveryMethod",), "literal_error")]),
        ({"numberResults": 5}, [(("numberResults",), "less_than_equal")]),
        ({"numberResults": 0}, [(("numberResults",), "greater_than_equal")]),
        ({"ttl": 59}, [(("ttl",), "greater_than_equal")]),
        ({"ttl": None}, [(("ttl",), "null")]),
        ({"includeCost": 1}, [(("includeCost",), "bool_type")]),
        ({"webhookURL": "example.com"}, [(("webhookURL",), "url_parsing")]),
        ({"safety": {"mode": "slow"}}, [(("safety", "mode"), "literal_error")]),
        ({"safety": {"level": 1}}, [(("safety", "level"), "extra_forbidden")]),
        ({"inputs": {"audio": UUID}}, [(("inputs", "referenceVideos"), "missing")]),
        (
            {"inputs": {"referenceVideos": [], "audio": UUID}},
            [(("inputs", "referenceVideos"), "too_short")],
        ),
        (
            {"inputs": {"referenceVideos": ["data:video/mp4;base64,AAAA"], "audio": UUID}},
            [(("inputs", "referenceVideos", 0), "url_parsing")],
        ),
        (
            {"inputs": {"referenceVideos": [UUID], "audio": "UklGRg=="}},
            [(("inputs", "audio"), "url_parsing")],
        ),
        ({"inputs": {"referenceVideos": [UUID]}}, [((), "value_error")]),
        ({"speech": {"text": "Hi", "voice": "auto"}}, [((), "value_error")]),
        (
            {"inputs": {"referenceVideos": [UUID]}, "speech": {"text": "Hi"}},
            [(("speech", "voice"), "missing")],
        ),
        (
            {"inputs": {"referenceVideos": [UUID]}, "speech": {"text": "", "voice": "Auto"}},
            [(("speech", "text"), "string_too_short"), (("speech", "voice"), "literal_error")],
        ),
    ],
)
def test_runware_refuses_what_its_page_does_not_allow(fields: Any, expected: Any) -> None:
    assert found(RUNWARE, runware(**fields)) == expected


def test_a_problem_of_a_data_uri_repeats_only_its_beginning() -> None:
    uri = "data:video/mp4;base64," + "A" * 100_000
    inputs = {"referenceVideos": [uri], "audio": UUID}
    (problem,) = RUNWARE.check(runware(inputs=inputs))
    assert problem.input.startswith("data:video/mp4;base64,AAAA")
    assert len(problem.input) < 1_100
