"""A key is in no file, history entry, log line or answer, wherever it was set and whatever failed;
and what a vendor says of signed addresses is in no log."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.canaries import KEYS, holds_a_canary
from tests.host.client import FOREVER_SECONDS, LIP_SYNCS, Entry, Graph, Node, SampleGraph
from tests.host.hosting import Host, Installation, ModalSandbox

LIVE = "live (paid)"
VENDORS = {"fal": "fal", "aimlapi": "AI/ML API", "runware": "Runware"}
ANSWERS = (
    *("/history", "/queue", "/object_info", "/settings", "/system_stats", "/prompt"),
    *("/internal/logs", "/internal/logs/raw", "/viseme/keys", "/userdata?dir=.", "/features"),
)
FAULTS = {
    "submit": {
        "fal": "bad-key 503 500 truncate redirect html-200 wrong-type lie-length drop-after-accept",
        "aimlapi": "bad-key no-credit 429 drop-before-accept",
        "runware": "bad-key no-credit 503 job-fails",
    },
    "status": {"fal": "bad-key redirect", "aimlapi": "bad-key"},
    "download": {"fal": "truncate html-200 redirect wrong-type lie-length 500 expire-url"},
}


@pytest.fixture(scope="module")
def _live_host(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    base = tmp_path_factory.mktemp("secrets")
    host = Host(installation, base, "--disable-api-nodes", home=base / "home")
    yield host
    host.stop()


def ask(host: Host, base_urls: dict[str, str]) -> None:
    """Let these addresses stand for the vendors themselves."""
    assert host.home is not None
    host.home.mkdir(mode=0o700, exist_ok=True)
    polls = {"first_seconds": 0.05, "most_seconds": 0.1}
    settings: dict[str, Any] = {
        "base_urls": base_urls,
        "poll": {"fal": polls, "runware": polls},
        "submit_timeout_seconds": 1.0,
        "poll_outage_seconds": 0.3,
        "listing_visibility": dict.fromkeys(VENDORS, 0),
    }
    (host.home / "settings.json").write_text(json.dumps(settings))


def enter_keys(host: Host) -> None:
    """As the page's dialog does."""
    for vendor, key in zip(VENDORS, KEYS.values(), strict=True):
        body = {"vendor": vendor, "key": key}
        answer = host.http.post("/viseme/keys", json=body, headers={"X-Viseme": "test"})
        assert answer.status_code == 200
        assert not holds_a_canary(answer.content)


def pixverse(take: int, vendor: str) -> tuple[SampleGraph, Node]:
    graph = SampleGraph(take)
    sync = graph.lip_sync("VisemePixverseLipSync", run_on=LIVE, vendor=vendor)
    graph.record(sync[4])
    return graph, sync


def use_every_node(host: Host, take: int) -> set[str]:
    """Run them all; their names."""
    graph = SampleGraph(take)
    syncs = [graph.lip_sync(class_type, run_on=LIVE) for class_type in LIP_SYNCS]
    syncs += [
        graph.lip_sync("VisemePixverseLipSync", run_on=LIVE, vendor=vendor)
        for vendor in ("AI/ML API", "Runware")
    ]
    for sync in syncs:
        graph.save(sync[0])
        graph.record(sync[4])
    picture = graph.add("ImageFromBatch", image=syncs[0][1], batch_index=0, length=1)
    graph.add("SaveImage", images=picture[0], filename_prefix="picture")
    cut = graph.add("VisemeEditRanges", media=graph.clip[0], audio=graph.clip[1])
    graph.save(cut[2])
    graph.add("VisemeLipSyncPrices", media=graph.clip[0], audio=graph.clip[1])
    workflow = {"nodes": [], "viseme": "workflow"}
    more = {"extra_pnginfo": {"workflow": workflow}}
    entry = host.wait(host.post(graph, extra_data=more))
    assert entry.is_success, entry
    collected = Graph()
    job = collected.add("VisemeCollectLipSyncJob", job_id=host.jobs()[0].id)
    collected.save(job[0])
    host.run(collected)
    classes = {node["class_type"] for node in graph.prompt.values()} | {"VisemeCollectLipSyncJob"}
    ours = {name for name in host.object_info() if name.startswith("Viseme")}
    assert ours <= classes
    return ours


def fail_in_every_way(host: Host, box: ModalSandbox, take: int) -> list[Entry]:
    """Where an answer was lost, the vendor's list does not show the job either."""
    tried = [
        (name, operation, vendor)
        for operation, vendors in FAULTS.items()
        for vendor, names in vendors.items()
        for name in names.split()
    ]
    entries = []
    for number, (name, operation, vendor) in enumerate(tried):
        box.fault("lookup-hidden", operation="list")
        box.fault(name, operation=operation, vendor=vendor)
        graph, _ = pixverse(take + number, VENDORS[vendor])
        entries.append(host.execute(graph))
        box.end_faults()
    return entries


def look_at_answers(host: Host) -> None:
    for path in ANSWERS:
        assert not holds_a_canary(host.http.get(path).content), path
    assert not [event for event in host.events if holds_a_canary(json.dumps(event.data))]


def files_with_a_key(*roots: Path) -> list[Path]:
    return [
        path.relative_to(root)
        for root in roots
        for path in root.rglob("*")
        if path.is_file()
        and "custom_nodes" not in path.relative_to(root).parts
        and holds_a_canary(path.read_bytes())
    ]


def test_a_key_is_nowhere_afterwards(
    _live_host: Host,
    canned_box: ModalSandbox,
    take: int,
    record_property: Callable[[str, int], None],
) -> None:
    """The keys come from the private file at first, and from the environment after a kill -9."""
    host, box, takes = _live_host, canned_box, take + 10**6
    ask(host, box.base_urls)
    enter_keys(host)
    record_property("nodes", len(use_every_node(host, takes)))
    assert len(box.charges()) == 5
    assert all(call["has_key"] for call in box.calls("submit"))
    box.fault("slow-queue", seconds=FOREVER_SECONDS)
    graph, _ = pixverse(takes + 100, "fal")
    prompt_id = host.post(graph)
    box.await_charge(6)  # ComfyUI forgets an interrupt that comes before the prompt begins
    host.interrupted(prompt_id)
    box.end_faults()
    box.fault("answer-late", operation="submit", seconds=FOREVER_SECONDS, count=1)
    graph, _ = pixverse(takes + 101, "fal")
    host.post(graph)
    box.await_strike()
    look_at_answers(host)
    host.kill()
    host.environment |= KEYS
    host.restart()
    entries = fail_in_every_way(host, box, takes + 200)
    failed = [entry for entry in entries if not entry.is_success]
    assert len(failed) >= 20, entries
    assert not [entry for entry in failed if not entry.error]
    record_property("failures", len(failed))
    look_at_answers(host)
    suffixes = {path.suffix for path in (host.base / "output").rglob("*")}
    assert {".mp4", ".png"} <= suffixes
    assert "workflow" in next((host.base / "output").rglob("*.png")).read_bytes().decode("latin-1")
    for name in ("requests", "charges"):
        assert not holds_a_canary(json.dumps(box.ask(name)))
    assert files_with_a_key(host.base, box.home) == [Path("home/credentials.json")]


class EchoingVendor:
    """Refuses everything and repeats what it was sent, with a signed address and media."""

    def __init__(self) -> None:
        keys: list[str] = []
        self.keys = keys

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                keys.append(self.headers.get("Authorization") or "")
                said = (
                    f"echoed {keys[-1]} of https://bucket.example/face.mp4?X-Signature=s1gned0 "
                    "and data:video/mp4;base64,AAAAIGZ0eXBpc29t here"
                )
                body = json.dumps({"detail": [{"loc": ["body"], "msg": said, "type": "x"}]})
                self.send_response(422)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: Any) -> None:
                """Nothing: it is told by ``keys``."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def echoing() -> Iterator[EchoingVendor]:
    vendor = EchoingVendor()
    yield vendor
    vendor.server.shutdown()
    vendor.server.server_close()


def test_what_a_vendor_repeats_is_taken_out_of_the_log_and_the_history(
    _live_host: Host, echoing: EchoingVendor, canned_box: ModalSandbox, take: int
) -> None:
    host = _live_host
    ask(host, dict.fromkeys(canned_box.base_urls, echoing.url))
    enter_keys(host)
    begin = len(host.log())
    graph = SampleGraph(take + 2 * 10**6)
    graph.record(graph.lip_sync(run_on=LIVE, carry="inline")[4])
    entry = host.execute(graph)
    assert echoing.keys
    assert holds_a_canary(echoing.keys[0])
    said, kept = host.log()[begin:], json.dumps(entry.document)
    shown = "of https://bucket.example/face.mp4?*** and data:video/mp4;base64,[16 characters left"
    assert shown in entry.error
    # The pack's own line, and the host's about the node that failed.
    assert said.count(shown) >= 2
    for text in (said, kept, entry.error):
        assert "s1gned0" not in text
        assert "AAAAIGZ0eXBpc29t" not in text
        assert not holds_a_canary(text)
