"""ComfyUI as others start it: other caches, several users, nothing of ours prescribed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.host.client import SampleGraph
from tests.host.hosting import Host, ModalSandbox

StartComfy = Callable[..., Host]


@pytest.mark.parametrize(
    "options", [("--cache-none",), ("--cache-lru", "10"), ("--multi-user",)], ids=" ".join
)
def test_a_run_an_interrupt_and_a_run_under_a_flag(
    start_comfy: StartComfy, slow_box: ModalSandbox, take: int, options: tuple[str, ...]
) -> None:
    host = start_comfy("--disable-api-nodes", *options)
    assert host.home is not None
    assert not host.home.exists(), "loading the pack has touched the disk"
    graph = SampleGraph(take)
    sync = graph.lip_sync()
    graph.save(sync[0])
    frames = graph.record(sync[1])
    for _ in range(2):
        assert host.run(graph).facts(frames)
        assert len(slow_box.charges()) == 1
    other = SampleGraph(take + 10**6)
    other.save(other.lip_sync()[0])
    prompt_id = host.post(other)
    slow_box.await_call("submit")
    host.interrupt()
    assert host.wait(prompt_id).was_interrupted
    assert host.is_alive()


def test_without_viseme_home_everything_is_in_a_folder_that_is_not_served(
    start_comfy: StartComfy, canned_box: ModalSandbox, take: int, tmp_path: Path
) -> None:
    """The pack's own folder may have any name; the private one is ComfyUI's to give."""
    host = start_comfy(home=None, pack_name="some-hyphenated.name")
    graph = SampleGraph(take)
    graph.save(graph.lip_sync()[0])
    host.run(graph)
    folders = [path.parent for path in (host.base / "user").rglob("ledger.sqlite3")]
    assert len(folders) == 1
    home = folders[0].resolve()
    assert home.is_relative_to(host.base / "user")
    assert home.stat().st_mode & 0o777 == 0o700
    for path in ("viseme/ledger.sqlite3", "../__viseme/ledger.sqlite3", "__viseme/ledger.sqlite3"):
        assert host.http.get(f"/userdata/{path.replace('/', '%2F')}").status_code >= 400
