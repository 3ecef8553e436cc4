"""The argument models tell nodes and command line all that they need."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from viseme.endpoints import ENDPOINTS

REPOSITORY = Path(__file__).resolve().parents[2]
ALL = pytest.mark.parametrize("endpoint_id", list(ENDPOINTS))


def leaves(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    parts = [schema, *schema.get("$defs", {}).values()]
    for part in parts:
        yield from part["properties"].items()


def shape(endpoint_id: str, name: str) -> dict[str, Any]:
    """A property without what is words: bounds, options, default."""
    schema = ENDPOINTS[endpoint_id].arguments_model.model_json_schema()
    part = dict(next(part for leaf, part in leaves(schema) if leaf == name))
    return {key: part[key] for key in part if key not in ("title", "description", "viseme")}


@ALL
def test_every_argument_has_a_tooltip_and_a_role(endpoint_id: str) -> None:
    schema = ENDPOINTS[endpoint_id].arguments_model.model_json_schema()
    assert schema["additionalProperties"] is False
    for name, part in leaves(schema):
        assert len(part["description"]) > 20, name
        assert part["description"].endswith((".", ")")), name
        assert part["viseme"] in ("picture", "delivery", "media", "speech"), name
    json.dumps(schema)


@ALL
def test_an_endpoint_names_its_fields_source_and_assumptions(endpoint_id: str) -> None:
    entry = ENDPOINTS[endpoint_id]
    top = set(entry.arguments_model.model_fields)
    assert {entry.video_field.split(".")[0], entry.audio_field.split(".")[0]} <= top
    assert entry.source.startswith("https://")
    assert entry.takes_text == (entry.text_field is not None)
    for assumption in entry.assumptions:
        assert assumption.meaning.endswith(".")
        assert entry.assumed_value({}, assumption.name) == assumption.default
        assert not assumption.options or assumption.default in assumption.options


@pytest.mark.parametrize(
    ("endpoint_id", "name", "expected"),
    [
        (
            "fal-sync",
            "sync_mode",
            {
                "type": "string",
                "enum": ["cut_off", "loop", "bounce", "silence", "remap"],
                "default": "cut_off",
            },
        ),
        ("fal-pipio", "use_custom_prompt", {"type": "boolean", "default": False}),
        ("fal-pipio", "custom_prompt", {"type": "string", "default": "A high quality video."}),
        ("fal-pipio", "frame_rate", {"type": "integer", "minimum": -1, "default": -1}),
        ("fal-pipio", "height", {"type": "integer", "default": -1}),
        ("fal-pipio", "width", {"type": "integer", "default": -1}),
        (
            "fal-pipio",
            "num_frames",
            {
                "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "const": "all"}],
                "default": "all",
            },
        ),
        ("fal-pipio", "vae_chunk_size", {"type": "integer", "minimum": 1, "default": 65}),
        ("fal-pipio", "vae_overlap_window_width", {"type": "integer", "minimum": 0, "default": 16}),
        ("fal-pipio", "frame_block_width", {"type": "integer", "minimum": 1, "default": 136}),
        ("fal-pipio", "feed_forward_num_splits", {"type": "integer", "minimum": 1, "default": 2}),
        (
            "fal-pipio",
            "face_id_cond_strength",
            {"type": "integer", "minimum": -1, "maximum": 16, "default": -1},
        ),
        (
            "fal-pipio",
            "appearance_cond_strength",
            {"type": "integer", "minimum": 1, "maximum": 16, "default": 1},
        ),
        ("fal-pipio", "seed", {"type": "integer", "default": 42}),
        ("runware-pixverse", "outputType", {"type": "string", "const": "URL", "default": "URL"}),
        (
            "runware-pixverse",
            "outputFormat",
            {"type": "string", "enum": ["MP4", "WEBM", "MOV"], "default": "MP4"},
        ),
        (
            "runware-pixverse",
            "outputQuality",
            {"type": "integer", "minimum": 20, "maximum": 99, "default": 95},
        ),
        (
            "runware-pixverse",
            "numberResults",
            {"type": "integer", "minimum": 1, "maximum": 4, "default": 1},
        ),
        (
            "runware-pixverse",
            "ttl",
            {"anyOf": [{"type": "integer", "minimum": 60}, {"type": "null"}], "default": None},
        ),
        ("runware-pixverse", "includeCost", {"type": "boolean", "default": True}),
        ("runware-pixverse", "checkContent", {"type": "boolean", "default": False}),
        (
            "runware-pixverse",
            "mode",
            {"type": "string", "enum": ["none", "fast", "full"], "default": "none"},
        ),
        (
            "runware-pixverse",
            "text",
            {"anyOf": [{"type": "string", "maxLength": 200}, {"type": "null"}], "default": None},
        ),
        (
            "fal-pixverse",
            "queue_priority",
            {"type": "string", "enum": ["normal", "low"], "default": "normal"},
        ),
    ],
)
def test_the_documented_defaults_and_bounds_are_in_the_schema(
    endpoint_id: str, name: str, expected: dict[str, Any]
) -> None:
    assert shape(endpoint_id, name) == expected


@pytest.mark.parametrize(
    ("endpoint_id", "name", "auto"),
    [
        ("fal-pixverse", "voice_id", "Auto"),
        ("aimlapi-pixverse", "lip_sync_tts_speaker", "Auto"),
        ("runware-pixverse", "voice", "auto"),
    ],
)
def test_fourteen_voices_and_auto_are_the_options(endpoint_id: str, name: str, auto: str) -> None:
    part = shape(endpoint_id, name)
    voices = part["enum"] if "enum" in part else part["anyOf"][0]["enum"]
    assert len(set(voices)) == 15
    assert voices[-1] == auto
    assert part["default"] in (auto, None)


def test_the_names_are_the_documented_ones() -> None:
    own = {
        endpoint_id: {name for name, _ in leaves(entry.arguments_model.model_json_schema())}
        for endpoint_id, entry in ENDPOINTS.items()
    }
    delivery = {
        "webhook",
        "queue_priority",
        "start_deadline_seconds",
        "logs",
        "store_io",
        "result_lifetime_seconds",
    }
    assert own["fal-pixverse"] - delivery == {"video_url", "audio_url", "voice_id", "text"}
    assert own["fal-sync"] - delivery == {"video_url", "audio_url", "sync_mode"}
    assert own["fal-pipio"] - delivery == {
        "video",
        "audio",
        "use_custom_prompt",
        "custom_prompt",
        "frame_rate",
        "height",
        "width",
        "num_frames",
        "vae_chunk_size",
        "vae_overlap_window_width",
        "frame_block_width",
        "feed_forward_num_splits",
        "face_id_cond_strength",
        "appearance_cond_strength",
        "edit_addition_start_frames",
        "edit_addition_durations",
        "edit_removal_ranges",
        "edit_removal_bridge_durations",
        "seed",
    }
    assert own["aimlapi-pixverse"] == {
        "video_url",
        "audio_url",
        "lip_sync_tts_content",
        "lip_sync_tts_speaker",
    }
    assert own["runware-pixverse"] == {
        "inputs",
        "referenceVideos",
        "audio",
        "speech",
        "text",
        "voice",
        "outputType",
        "outputFormat",
        "outputQuality",
        "webhookURL",
        "deliveryMethod",
        "uploadEndpoint",
        "safety",
        "checkContent",
        "mode",
        "ttl",
        "includeCost",
        "numberResults",
    }


def test_models_are_built_when_first_read_even_by_several_threads_at_once() -> None:
    program = """
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from viseme.endpoints import ENDPOINTS, read_arguments

models = [entry.arguments_model for entry in ENDPOINTS.values()]
built = [model.__name__ for model in models if model.__pydantic_complete__]
if built:
    sys.exit(f"built at import: {built}")
together = Barrier(8)

def read(number):
    together.wait()
    return [read_arguments("endpoint", model, {}).model_dump() for model in models]

with ThreadPoolExecutor(8) as threads:
    read = list(threads.map(read, range(8)))
if any(one != read[0] for one in read):
    sys.exit("not all read the same")
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, timeout=60)
    assert done.returncode == 0, done.stderr
