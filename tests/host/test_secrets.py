"""A key is in no file, history entry, log line or answer, wherever it was set."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.host.client import LIP_SYNCS, SampleGraph
from tests.host.hosting import Host, ModalSandbox

StartComfy = Callable[..., Host]
CANARIES = {
    "FAL_KEY": "canary-id-51c7:canary-secret-9d0e",
    "AIML_API_KEY": "canary-aiml-77ab",
    "RUNWARE_API_KEY": "canary-runware-03fe",
}
PARTS = [part.encode() for key in CANARIES.values() for part in key.split(":")]
ANSWERS = (
    *("/history", "/queue", "/object_info", "/settings", "/system_stats", "/prompt"),
    *("/internal/logs", "/internal/logs/raw", "/viseme/keys", "/userdata?dir=."),
)


def live_home(home: Path, box: ModalSandbox) -> None:
    """Let the sandbox stand for the vendors themselves."""
    home.mkdir(parents=True, exist_ok=True)
    polls = {"first_seconds": 0.05, "most_seconds": 0.1}
    settings: dict[str, Any] = {
        "base_urls": box.base_urls,
        "poll": {"fal": polls, "runware": polls},
    }
    (home / "settings.json").write_text(json.dumps(settings))


def holds_a_canary(data: bytes) -> bool:
    return any(part in data for part in PARTS)


def test_a_key_is_nowhere_afterwards(
    start_comfy: StartComfy, canned_box: ModalSandbox, take: int, tmp_path: Path
) -> None:
    """fal's comes from the environment, the others from the private file."""
    base = tmp_path / "comfyui"
    home = base / "home"
    live_home(home, canned_box)
    credentials = home / "credentials.json"
    kept = {"aimlapi": CANARIES["AIML_API_KEY"], "runware": CANARIES["RUNWARE_API_KEY"]}
    credentials.write_text(json.dumps(kept))
    credentials.chmod(0o600)
    environment = {"FAL_KEY": CANARIES["FAL_KEY"]}
    host = start_comfy("--disable-api-nodes", base=base, environment=environment)
    graph = SampleGraph(take)
    live = "live (paid)"
    for class_type in LIP_SYNCS:
        sync = graph.lip_sync(class_type, run_on=live)
        graph.save(sync[0])
        graph.record(sync[4])
    for vendor in ("AI/ML API", "Runware"):
        sync = graph.lip_sync("VisemePixverseLipSync", run_on=live, vendor=vendor)
        graph.save(sync[0])
        graph.record(sync[4])
    host.run(graph)
    assert len(canned_box.charges()) == 5
    canned_box.fault("bad-key", operation="submit")
    failing = SampleGraph(take + 10**6)
    failing.save(failing.lip_sync(run_on=live)[0])
    assert "key" in host.execute(failing).error
    for path in ANSWERS:
        assert not holds_a_canary(host.http.get(path).content), path
    assert not [event for event in host.events if holds_a_canary(str(event.data).encode())]
    host.stop()
    found = [
        path.relative_to(base)
        for path in base.rglob("*")
        if path.is_file()
        and "custom_nodes" not in path.relative_to(base).parts
        and holds_a_canary(path.read_bytes())
    ]
    assert found == [Path("home/credentials.json")]
