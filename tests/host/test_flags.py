"""ComfyUI as others start it: other caches, several users, folders of its own; and started anew."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable

import httpx

from tests.host.client import (
    FOREVER_SECONDS,
    SampleGraph,
    jobs_left,
    speaks_of_paying,
    until,
)
from tests.host.hosting import Host, ModalSandbox

StartComfy = Callable[..., Host]


def test_three_queues_a_kill_and_a_restart_under_another_cache_are_one_charge_each(
    start_comfy: StartComfy, slow_box: ModalSandbox, take: int
) -> None:
    host = start_comfy("--disable-api-nodes")
    assert host.home is not None
    assert not jobs_left(host)
    assert not host.home.exists(), "loading the pack has touched the disk"
    graph = SampleGraph(take)
    sync = graph.lip_sync()
    graph.save(sync[0])
    receipt = graph.record(sync[4])
    prompt_ids = [host.post(graph) for _ in range(3)]
    first, *others = [host.wait(prompt_id) for prompt_id in prompt_ids]
    assert all(entry.is_success for entry in (first, *others))
    assert sync.id not in first.cached
    assert all(sync.id in entry.cached for entry in others)
    bought = first.receipt(receipt)
    assert not bought["reused"]
    cut_off = SampleGraph(take + 10**6)
    cut_off.save(cut_off.lip_sync()[0])
    host.post(cut_off)
    until(lambda: len(slow_box.charges()) == 2, "the second submission")
    host.kill()
    host.restart("--disable-api-nodes", "--cache-lru", "10")
    [left] = jobs_left(host)
    for _ in range(2):
        again = host.run(graph).receipt(receipt)
        assert again["id"] == bought["id"]
        assert again["reused"]
    [told] = [line for line in host.log().splitlines() if f"Job {left} (fal-sync, " in line]
    assert ", sandbox)" in told
    assert not speaks_of_paying(told)
    host.run(cut_off)
    assert not jobs_left(host)
    assert len(slow_box.charges()) == 2
    slow_box.fault("slow-queue", seconds=FOREVER_SECONDS)
    interrupt_one(host, SampleGraph(take + 10**7))
    until(lambda: len(slow_box.charges()) == 2, "the end of the interrupted charge")


def interrupt_one(host: Host, graph: SampleGraph) -> None:
    """Interrupt a graph once its lip-sync is at the vendor."""
    sync = graph.lip_sync()
    graph.save(sync[0])
    started = time.time()
    prompt_id = host.post(graph)
    host.await_text(sync, "at fal", started)
    host.interrupted(prompt_id)
    assert host.is_alive()


def test_the_most_talkative_log_has_no_address_that_a_redirect_has_signed(
    start_comfy: StartComfy, canned_box: ModalSandbox, take: int
) -> None:
    host = start_comfy("--disable-api-nodes", "--verbose", "DEBUG")
    canned_box.fault("redirect", operation="download", count=1)
    graph = SampleGraph(take)
    graph.save(graph.lip_sync()[0])
    host.run(graph)
    canned_box.await_strike()
    said = host.log()
    assert "Using selector" in said, "asyncio says so at DEBUG"
    assert "X-Signature" not in said


def test_a_fresh_install_needs_nothing_set_and_keeps_all_in_a_folder_that_is_not_served(
    start_comfy: StartComfy, take: int
) -> None:
    """Neither home nor sandbox nor key; several users, no cache; the folder may have any name."""
    host = start_comfy(
        *("--disable-api-nodes", "--multi-user", "--cache-none"),
        home=None,
        sandbox=None,
        pack_name="some-hyphenated.name",
    )
    graph = SampleGraph(take)
    sync = graph.lip_sync()
    saved = graph.save(sync[0])
    frames = graph.record(sync[1])
    try:
        for _ in range(2):
            entry = host.run(graph)
            assert entry.facts(frames)
        assert host.saved(entry.file(saved)).is_file()
        [lock] = (host.base / "user").rglob("sandbox.lock")
        control = json.loads(lock.read_text())["control"]
        fault = {"name": "slow-queue", "seconds": FOREVER_SECONDS}
        httpx.post(f"{control}/_sandbox/faults", json=fault, trust_env=False).raise_for_status()
        interrupt_one(host, SampleGraph(take + 10**6))
        [ledger] = (host.base / "user").rglob("ledger.sqlite3")
        assert ledger.parent.stat().st_mode & 0o777 == 0o700
        relative = ledger.relative_to(host.base / "user")
        for path in (str(relative), f"../{relative}", "viseme/ledger.sqlite3"):
            answer = host.http.get(f"/userdata/{path.replace('/', '%2F')}")
            assert answer.status_code >= 400, path
        for kind in ("output", "input", "temp"):
            place = {"subfolder": f"../user/{relative.parent}", "type": kind}
            answer = host.http.get("/view", params={"filename": "ledger.sqlite3", **place})
            assert answer.status_code >= 400
    finally:
        for lock in (host.base / "user").rglob("sandbox.lock"):
            os.kill(json.loads(lock.read_text())["pid"], signal.SIGTERM)
