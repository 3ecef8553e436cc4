from __future__ import annotations

from typing import Any

import pytest

from viseme.sandbox.models import MODELS

PIXVERSE = MODELS["fal", "fal-ai/pixverse/lipsync"]
SYNC = MODELS["fal", "fal-ai/sync-lipsync/v2/pro"]
PIPIO = MODELS["fal", "pipio/lipsync"]
VIDEO = "https://v3.fal.media/files/penguin/T-output.mp4"
AUDIO = "https://v3.fal.media/files/monkey/k-speech.mp3"
PIPIO_PAGE_EXAMPLE: dict[str, Any] = {
    "custom_prompt": "A high quality video.",
    "video": {
        "url": VIDEO,
        "content_type": "image/png",
        "file_name": "z9RV14K95DvU.png",
        "file_size": 4404019,
    },
    "audio": {
        "url": AUDIO,
        "content_type": "image/png",
        "file_name": "z9RV14K95DvU.png",
        "file_size": 4404019,
    },
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


def found(model: Any, body: dict[str, Any]) -> list[tuple[tuple[str | int, ...], str]]:
    return [(problem.loc, problem.type) for problem in model.check(body)]


@pytest.mark.parametrize(
    "body",
    [
        {"video_url": VIDEO},
        {"video_url": VIDEO, "audio_url": AUDIO, "voice_id": "Auto", "text": "Hello, this is."},
        {"video_url": VIDEO, "text": "x" * 500, "voice_id": "Emily"},
        {"video_url": "data:video/mp4;base64,AAAA", "audio_url": None, "text": "Hello"},
        {"video_url": "http://127.0.0.1:8000/files/a.mp4", "audio_url": AUDIO, "unknown": 1},
    ],
)
def test_pixverse_takes_what_its_page_shows(body: dict[str, Any]) -> None:
    assert PIXVERSE.check(body) == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, [(("video_url",), "missing")]),
        ({"video_url": 3}, [(("video_url",), "string_type")]),
        ({"video_url": ""}, [(("video_url",), "url_parsing")]),
        ({"video_url": "ftp://host/a.mp4"}, [(("video_url",), "url_scheme")]),
        ({"video_url": "data:video/mp4;base64"}, [(("video_url",), "url_parsing")]),
        ({"video_url": VIDEO, "voice_id": "emily"}, [(("voice_id",), "literal_error")]),
        ({"video_url": VIDEO, "voice_id": "auto"}, [(("voice_id",), "literal_error")]),
        ({"video_url": VIDEO, "text": 5}, [(("text",), "string_type")]),
    ],
)
def test_pixverse_refuses_what_its_page_does_not_allow(body: Any, expected: Any) -> None:
    assert found(PIXVERSE, body) == expected


def test_with_sound_and_text_sound_wins() -> None:
    both = {"video_url": VIDEO, "audio_url": AUDIO, "text": "Hello"}
    assert PIXVERSE.media(both) == {"video": VIDEO, "audio": AUDIO}
    assert PIXVERSE.media({"video_url": VIDEO, "text": "Hello"}) == {"video": VIDEO}


@pytest.mark.parametrize("mode", ["cut_off", "loop", "bounce", "silence", "remap"])
def test_sync_takes_every_mode(mode: str) -> None:
    body = {"video_url": VIDEO, "audio_url": AUDIO, "sync_mode": mode}
    assert SYNC.check(body) == []
    assert SYNC.media(body) == {"video": VIDEO, "audio": AUDIO}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"video_url": VIDEO}, [(("audio_url",), "missing")]),
        (
            {"video_url": VIDEO, "audio_url": AUDIO, "sync_mode": "foo"},
            [(("sync_mode",), "literal_error")],
        ),
        ({"video_url": VIDEO, "audio_url": None}, [(("audio_url",), "string_type")]),
    ],
)
def test_sync_refuses_what_its_page_does_not_allow(body: Any, expected: Any) -> None:
    assert found(SYNC, body) == expected


def test_pipio_takes_the_example_of_its_page_with_the_urls_filled() -> None:
    assert PIPIO.check(PIPIO_PAGE_EXAMPLE) == []
    assert PIPIO.media(PIPIO_PAGE_EXAMPLE) == {"video": VIDEO, "audio": AUDIO}


def test_pipio_refuses_the_empty_urls_of_its_page() -> None:
    body = {**PIPIO_PAGE_EXAMPLE, "video": {"url": ""}, "audio": {"url": ""}}
    assert found(PIPIO, body) == [
        (("video", "url"), "url_parsing"),
        (("audio", "url"), "url_parsing"),
    ]


def test_pipio_takes_a_plain_url_for_a_file_object() -> None:
    body = {"video": VIDEO, "audio": "data:audio/wav;base64,UklGRg=="}
    assert PIPIO.check(body) == []
    assert PIPIO.media(body)["audio"].startswith("data:audio/wav")


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("num_frames", 0, "greater_than_equal"),
        ("num_frames", 12.0, "int_type"),
        ("num_frames", True, "int_type"),
        ("num_frames", "12", "int_type"),
        ("frame_rate", 0, "value_error"),
        ("frame_rate", -2, "value_error"),
        ("height", 0, "value_error"),
        ("width", 9000, "value_error"),
        ("vae_chunk_size", 64, "value_error"),
        ("vae_chunk_size", -7, "value_error"),
        ("vae_overlap_window_width", -1, "greater_than_equal"),
        ("frame_block_width", 0, "greater_than_equal"),
        ("feed_forward_num_splits", 0, "greater_than_equal"),
        ("face_id_cond_strength", 17, "value_error"),
        ("face_id_cond_strength", -2, "value_error"),
        ("appearance_cond_strength", 0, "greater_than_equal"),
        ("appearance_cond_strength", 17, "less_than_equal"),
        ("use_custom_prompt", "yes", "bool_type"),
        ("seed", None, "int_type"),
        ("edit_removal_ranges", "0,1", "list_type"),
    ],
)
def test_pipio_keeps_the_bounds_of_its_page(field: str, value: Any, expected: str) -> None:
    body = {**PIPIO_PAGE_EXAMPLE, field: value}
    assert found(PIPIO, body) == [((field,), expected)]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("vae_chunk_size", 1),
        ("vae_chunk_size", 8_000_001),
        ("face_id_cond_strength", 0),
        ("height", -3),
        ("num_frames", 1),
        ("edit_removal_ranges", []),
        ("edit_addition_start_frames", None),
    ],
)
def test_pipio_takes_the_edges_of_its_bounds(field: str, value: Any) -> None:
    assert PIPIO.check({**PIPIO_PAGE_EXAMPLE, field: value}) == []
