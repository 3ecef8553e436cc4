"""Many runs later, a ComfyUI holds no more than after the first few."""

from __future__ import annotations

from pathlib import Path

from tests.host.client import LIP_SYNCS, SampleGraph
from tests.host.hosting import Host, ModalSandbox


def held(comfy: Host) -> tuple[int, int]:
    """Open files and threads of the process."""
    process = Path(f"/proc/{comfy.process.pid}")
    return len(list((process / "fd").iterdir())), len(list((process / "task").iterdir()))


def run_anew(comfy: Host, take: int) -> None:
    """One purchase by each node, one that fails, and one that is interrupted."""
    graph = SampleGraph(take)
    for class_type in LIP_SYNCS:
        sync = graph.lip_sync(class_type)
        graph.save(sync[0])
        graph.record(sync[1])
    comfy.run(graph)
    failing = SampleGraph(take)
    failing.save(failing.lip_sync(max_price_usd=0.01, take=take + 10**6)[0])
    assert comfy.execute(failing).error


def test_runs_leave_no_files_open_no_threads_and_no_scratch(
    comfy: Host, canned_box: ModalSandbox, take: int
) -> None:
    assert comfy.home is not None
    for number in range(2):
        run_anew(comfy, take + (number + 1) * 10**7)
    files, threads = held(comfy)
    scratch = {path for path in comfy.home.rglob("*") if path.is_dir()}
    for number in range(4):
        run_anew(comfy, take + (number + 10) * 10**7)
    files_later, threads_later = held(comfy)
    assert files_later <= files + 4
    assert threads_later <= threads + 4
    left = {path for path in comfy.home.rglob("*") if path.is_dir()} - scratch
    assert not {path.relative_to(comfy.home) for path in left if path.parent.name != "results"}
