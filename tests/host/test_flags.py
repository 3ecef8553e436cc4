"""ComfyUI as others start it: other caches, several users, folders of its own; and started anew."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.host.client import SampleGraph
from tests.host.hosting import Host, ModalSandbox

StartComfy = Callable[..., Host]


def test_three_queues_and_restarts_under_other_caches_are_one_charge(
    start_comfy: StartComfy, slow_box: ModalSandbox, take: int
) -> None:
    host = start_comfy("--disable-api-nodes")
    assert host.home is not None
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
    for number, flags in enumerate([("--cache-none",), ("--cache-lru", "10")], 1):
        host.restart("--disable-api-nodes", *flags)
        for _ in range(2):
            again = host.run(graph).receipt(receipt)
            assert again["id"] == bought["id"]
            assert again["reused"]
        assert len(slow_box.charges()) == 1
        interrupt_one(host, slow_box, SampleGraph(take + number * 10**6))
        assert len(slow_box.charges()) == 1
    assert len(slow_box.calls("submit")) == 3


def interrupt_one(host: Host, box: ModalSandbox, graph: SampleGraph) -> None:
    """Interrupt a graph once its lip-sync is at the vendor."""
    before = len(box.charges())
    graph.save(graph.lip_sync()[0])
    prompt_id = host.post(graph)
    while len(box.charges()) == before:
        assert host.queue()["queue_running"] or host.queue()["queue_pending"]
    host.interrupt()
    assert host.wait(prompt_id).was_interrupted
    assert host.is_alive()


def test_without_viseme_home_everything_is_in_a_folder_that_is_not_served(
    start_comfy: StartComfy, slow_box: ModalSandbox, take: int
) -> None:
    """Also with several users, and whatever the pack's own folder is called."""
    host = start_comfy(
        "--disable-api-nodes", "--multi-user", home=None, pack_name="some-hyphenated.name"
    )
    graph = SampleGraph(take)
    sync = graph.lip_sync()
    graph.save(sync[0])
    frames = graph.record(sync[1])
    for _ in range(2):
        assert host.run(graph).facts(frames)
    interrupt_one(host, slow_box, SampleGraph(take + 10**6))
    assert len(slow_box.charges()) == 1
    [ledger] = (host.base / "user").rglob("ledger.sqlite3")
    assert ledger.parent.stat().st_mode & 0o777 == 0o700
    relative = ledger.relative_to(host.base / "user")
    for path in (str(relative), f"../{relative}", "viseme/ledger.sqlite3", "ledger.sqlite3"):
        answer = host.http.get(f"/userdata/{path.replace('/', '%2F')}")
        assert answer.status_code >= 400, path
    for kind in ("output", "input", "temp"):
        answer = host.http.get(
            "/view",
            params={"filename": "ledger.sqlite3", "subfolder": f"../user/{relative.parent}"}
            | {"type": kind},
        )
        assert answer.status_code >= 400


@pytest.mark.parametrize("path", ["/extensions/viseme/docs/VisemeSyncLipSync2Pro.md", "/i18n"])
def test_help_and_words_are_served(comfy: Host, path: str) -> None:
    answer = comfy.http.get(path)
    assert answer.status_code == 200
    assert "Viseme" in answer.text


def test_templates_are_offered_with_a_picture_each(comfy: Host) -> None:
    found = comfy.http.get("/workflow_templates").json()
    names = found["viseme"]
    assert names
    for name in names:
        for ending in ("json", "jpg"):
            path = f"/api/workflow_templates/viseme/{name}.{ending}"
            assert comfy.http.get(path).status_code == 200, path
