"""The examples that the vendors print, posted as they stand."""

from __future__ import annotations

import json
from typing import Any

import pytest

# ruff: noqa: E501 - printed as the vendors print them

Box = Any
PIXVERSE = """{
  "video_url": "https://v3.fal.media/files/penguin/T-ONORYMYLoEOB9lXryA2_IKEy3yAyi1evJGBAkXGZx_output.mp4",
  "audio_url": "https://v3.fal.media/files/monkey/k4iyN8bJZWwJXMKH-pO9r_speech.mp3",
  "voice_id": "Auto",
  "text": "Hello, this is a test message."
}"""
SYNC = """{
  "video_url": "https://storage.googleapis.com/falserverless/example_inputs/sync_v2_pro_video_input.mp4",
  "audio_url": "https://storage.googleapis.com/falserverless/example_inputs/sync_v2_pro_audio_input.mp3",
  "sync_mode": "cut_off"
}"""
PIPIO = """{
  "custom_prompt": "A high quality video.",
  "video": {
    "url": "",
    "content_type": "image/png",
    "file_name": "z9RV14K95DvU.png",
    "file_size": 4404019
  },
  "audio": {
    "url": "",
    "content_type": "image/png",
    "file_name": "z9RV14K95DvU.png",
    "file_size": 4404019
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
  "seed": 42
}"""
AIMLAPI = """{
  "model": "pixverse/lip-sync",
  "video_url": "https://raw.githubusercontent.com/aimlapi/api-docs/main/reference-files/racoon-in-the-forest.mp4",
  "lip_sync_tts_content": "Through the forest, past the roots — I’ve got to get there fast! No time to stop!",
  "lip_sync_tts_speaker": "Oliver"
}"""


@pytest.mark.parametrize(
    ("model", "example"),
    [
        ("fal-ai/pixverse/lipsync", PIXVERSE),
        ("fal-ai/sync-lipsync/v2/pro", SYNC),
        ("pipio/lipsync", PIPIO.replace('"url": ""', '"url": "https://example.com/a.mp4"')),
    ],
)
def test_fals_full_examples_are_accepted_by_queue_and_run(
    box: Box, model: str, example: str
) -> None:
    result = box.fal_finish(box.fal_submit(json.loads(example), path=f"/{model}").json())
    assert result.status_code == 200, result.text
    direct = box.http.post(
        f"{box.urls['fal.run']}/{model}", content=example.encode(), headers=box.FAL
    )
    assert direct.status_code == 200 and direct.json()["video"]["url"]


def test_pipios_example_with_its_empty_urls_is_a_422(box: Box) -> None:
    submitted = box.fal_submit(json.loads(PIPIO), path="/pipio/lipsync")
    assert submitted.status_code == 200
    result = box.fal_finish(submitted.json())
    assert result.status_code == 422
    places = [item["loc"] for item in result.json()["detail"]]
    assert ["body", "video", "url"] in places and ["body", "audio", "url"] in places
    assert box.charges() == []


def test_fals_example_of_required_parameters_alone_is_accepted(box: Box) -> None:
    body = {"video_url": json.loads(PIXVERSE)["video_url"]}
    assert box.fal_finish(box.fal_submit(body).json()).status_code == 200


def test_aimlapis_example_ends_as_its_recorded_run_did(box: Box) -> None:
    answer = box.aiml_submit(json.loads(AIMLAPI))
    assert answer.status_code == 200 and answer.json()["status"] == "queued"
    done = box.aiml_finish(answer.json()["id"])
    assert done["status"] == "succeeded" and "%2F" in done["video"]["url"]
    assert box.http.get(done["video"]["url"]).status_code == 200
