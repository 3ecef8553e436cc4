"""The pack in a fresh ComfyUI: it loads, quickly, and shows its nodes as they are promised."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.host.client import LIP_SYNCS, PATIENCE_SECONDS, Graph
from tests.host.hosting import Host

# What the nodes need to show themselves: what can be bought, and words and numbers. All else, what
# reads media or settings, knows what was bought or speaks to anybody, waits for a node that runs.
AT_START = {
    *("edits", "endpoints", "errors", "model", "money"),
    *("credentials", "home", "jobs", "samples", "secret"),
}
COMMON = [
    *("source_fps", "video_url", "audio_url", "carry"),
    *("max_price_usd", "take", "time_limit_seconds"),
]
FAL = [
    *("webhook", "queue_priority", "start_deadline_seconds"),
    *("logs", "store_io", "result_lifetime_seconds"),
]
RESULTS = {
    "video": "VIDEO",
    "frames": "IMAGE",
    "audio": "AUDIO",
    "frame_rate": "FLOAT",
    "receipt": "STRING",
}
DISPLAY_NAMES = {
    "VisemePixverseLipSync": "PixVerse Lip Sync",
    "VisemeSyncLipSync2Pro": "Sync Lip Sync 2 Pro",
    "VisemePipioLipSync": "Pipio Lip Sync",
    "VisemeEditRanges": "Edit Ranges",
    "VisemeLipSyncPrices": "Lip Sync Prices",
    "VisemeCollectLipSyncJob": "Collect Lip Sync Job",
    "VisemeSampleClip": "Sample Clip",
}
# The inputs that come first, in the order that saved workflows count on.
INPUTS = {
    "VisemePixverseLipSync": ["media", "audio", "run_on", "speech", *COMMON, "vendor"],
    "VisemeSyncLipSync2Pro": ["media", "audio", "run_on", "sync_mode", *COMMON, *FAL],
    "VisemePipioLipSync": [
        *("media", "audio", "edits", "run_on", "audio_is_edited", "use_custom_prompt"),
        *("custom_prompt", "frame_rate", "num_frames", "seed"),
    ],
    "VisemeEditRanges": ["media", "audio", "edits", "source_fps"],
    "VisemeLipSyncPrices": ["media", "audio", "speech", "source_fps"],
    "VisemeCollectLipSyncJob": ["job_id"],
    "VisemeSampleClip": [],
}
OUTPUTS = {
    "VisemePixverseLipSync": RESULTS,
    "VisemeSyncLipSync2Pro": RESULTS,
    "VisemePipioLipSync": RESULTS,
    "VisemeEditRanges": {
        "edits": "VISEME_EDITS",
        "audio": "AUDIO",
        "preview": "VIDEO",
        "frame_count": "INT",
        "seconds": "FLOAT",
    },
    "VisemeLipSyncPrices": {"table": "STRING", "json": "STRING"},
    "VisemeCollectLipSyncJob": RESULTS,
    "VisemeSampleClip": {"video": "VIDEO", "audio": "AUDIO", "image": "IMAGE"},
}
LISTS = ("VisemePixverseLipSync", "VisemeCollectLipSyncJob")


def inputs_of(info: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Every input with those of all options: its path, its type, what the page knows of it."""
    found = []
    for group in info["input"].values():
        for name, (kind, *rest) in group.items():
            facts = rest[0] if rest else {}
            found.append((name, kind, facts))
            for option in facts.get("options", []):
                if isinstance(option, dict):
                    inner = inputs_of({"input": option["inputs"]})
                    found += [(f"{name}.{path}", kind, facts) for path, kind, facts in inner]
    return found


def test_the_pack_loads_without_a_word_of_complaint(comfy: Host) -> None:
    log = comfy.log().partition("Starting server")[0]
    said = re.search(r"([\d.]+) seconds(.*?): \S+/custom_nodes/viseme\s", log)
    assert said is not None, log
    assert "FAILED" not in said[2], log
    about_us = [line for line in log.splitlines() if "viseme" in line.lower()]
    assert not [line for line in about_us if "WARNING" in line or "ERROR" in line], log


def test_loading_imports_nothing_heavy_and_touches_neither_network_nor_disk(
    comfy: Host, report: Callable[[str, float], None]
) -> None:
    """Every start of ComfyUI waits for it; ``measure_import.py`` says how long."""
    pack = comfy.base / "custom_nodes" / "viseme"
    measure = Path(__file__).with_name("measure_import.py")
    said = subprocess.run(
        [comfy.installation.python, measure, pack],
        cwd=comfy.installation.folder,
        env=comfy.environment,
        capture_output=True,
        check=False,
        timeout=PATIENCE_SECONDS,
        text=True,
    )
    assert said.returncode == 0, said.stderr
    cost = json.loads(said.stdout.splitlines()[-1])
    assert cost["nodes"] == len(DISPLAY_NAMES)
    assert cost["touched"] == []
    # ComfyUI has all of its own requirements by then; of what it lacks nothing is imported.
    elsewhere = {name.partition(".")[0] for name in cost["modules"]}
    assert elsewhere <= {"pydantic", *sys.stdlib_module_names}
    own = [name.removeprefix("viseme.") for name in cost["own_modules"] if "viseme." in name]
    assert {name.partition(".")[0] for name in own} <= AT_START
    assert {name for name in own if name.startswith("jobs.")} == {"jobs.signals", "jobs.wish"}
    report("loading, by the clock", cost["seconds"])
    report("loading, by the processor", cost["cpu_seconds"])


@pytest.mark.parametrize("node_id", DISPLAY_NAMES)
def test_a_node_is_what_saved_workflows_count_on(comfy: Host, node_id: str) -> None:
    info = comfy.object_info(node_id)[node_id]
    assert info["display_name"] == DISPLAY_NAMES[node_id]
    assert info["category"] == "Viseme"
    assert not info["api_node"]
    assert not info["deprecated"]
    order = [name for names in info["input_order"].values() for name in names]
    declared = [name for name in order if name not in ("unique_id", "prompt", "dynprompt")]
    assert declared[: len(INPUTS[node_id])] == INPUTS[node_id]
    assert dict(zip(info["output_name"], info["output"], strict=True)) == OUTPUTS[node_id]
    assert info["output_is_list"] == [node_id in LISTS] * len(info["output"])
    assert info["description"]


@pytest.mark.parametrize("node_id", DISPLAY_NAMES)
def test_every_input_explains_itself_and_may_be_left_out(comfy: Host, node_id: str) -> None:
    info = comfy.object_info(node_id)[node_id]
    assert not info["input"].get("required")
    for path, kind, facts in inputs_of({"input": {"optional": info["input"].get("optional", {})}}):
        assert facts.get("tooltip"), path
        if kind in ("STRING", "INT", "FLOAT", "BOOLEAN"):
            assert "default" in facts, path
    assert all(info["output_tooltips"])


@pytest.mark.parametrize("node_id", LIP_SYNCS)
def test_what_is_rare_is_kept_for_the_advanced_view(comfy: Host, node_id: str) -> None:
    inputs = comfy.object_info(node_id)[node_id]["input"]["optional"]
    for name in COMMON:
        assert inputs[name][1].get("advanced") is True, name
    for name in ("media", "audio", "run_on"):
        assert not inputs[name][1].get("advanced"), name


def test_no_socket_stands_inside_of_an_option(comfy: Host) -> None:
    """The page loses links to those."""
    for node_id in DISPLAY_NAMES:
        for path, kind, _ in inputs_of(comfy.object_info(node_id)[node_id]):
            if "." in path:
                sockets = ("VIDEO", "IMAGE", "AUDIO", "VISEME_EDITS")
                assert not set(str(kind).split(",")) & set(sockets), (node_id, path)


def test_a_fresh_install_runs_on_what_the_sample_clip_gives(comfy: Host) -> None:
    graph = Graph()
    clip = graph.add("VisemeSampleClip")
    video, audio, image = (graph.record(clip[number]) for number in range(3))
    entry = comfy.run(graph)
    [facts] = entry.facts(video)
    assert facts["made_by"] == "VideoFromFile"
    assert facts["size"] == [512, 512]
    [facts] = entry.facts(audio)
    assert facts["shape"][:2] == [1, 1]
    assert 3 < facts["shape"][2] / facts["sample_rate"] < 10
    [facts] = entry.facts(image)
    assert facts["shape"] == [1, 512, 512, 3]
