"""Many runs later, a ComfyUI holds no more than after the first few."""

from __future__ import annotations

import time
from pathlib import Path

from tests.host.client import FOREVER_SECONDS, LIP_SYNCS, SampleGraph, until
from tests.host.hosting import Host, ModalSandbox
from viseme.samples import sample_clip_path


def held(comfy: Host) -> tuple[int, int]:
    """Open files and threads of the process."""
    process = Path(f"/proc/{comfy.process.pid}")
    return len(list((process / "fd").iterdir())), len(list((process / "task").iterdir()))


def run_anew(comfy: Host, box: ModalSandbox, take: int) -> None:
    """One purchase by each node, one that fails, and one that is interrupted at the vendor.

    Their video is in memory, so that a file of it has to be written.
    """
    others = scratch(comfy)  # of commands that another test has killed
    graph = SampleGraph(take)
    video = graph.add("HelperVideoFile", path=str(sample_clip_path()), in_memory=True)
    for class_type in LIP_SYNCS:
        sync = graph.lip_sync(class_type, media=video[0])
        graph.save(sync[0])
        graph.record(sync[1])
    comfy.run(graph)
    failing = SampleGraph(take)
    failing.save(failing.lip_sync(max_price_usd=0.01, take=take + 10**6)[0])
    assert comfy.execute(failing).error
    box.fault("slow-queue", seconds=FOREVER_SECONDS, count=1)
    stopped = SampleGraph(take + 2 * 10**6)
    video = stopped.add("HelperVideoFile", path=str(sample_clip_path()), in_memory=True)
    sync = stopped.lip_sync(media=video[0])
    stopped.save(sync[0])
    started = time.time()
    prompt_id = comfy.post(stopped)
    comfy.await_text(sync, "queued", started)
    assert scratch(comfy) - others, "a VIDEO in memory was not written"
    comfy.interrupted(prompt_id)
    until(lambda: comfy.jobs()[0].state.value == "CANCELLED", "the cancelling")
    until(lambda: not scratch(comfy) - others, "the end of the scratch folders")


def scratch(comfy: Host) -> set[Path]:
    assert comfy.home is not None
    work = comfy.home / "work"
    return set(work.iterdir()) if work.exists() else set()


def test_runs_leave_no_files_open_no_threads_and_no_scratch(
    comfy: Host, canned_box: ModalSandbox, take: int
) -> None:
    assert comfy.home is not None
    for number in range(2):
        run_anew(comfy, canned_box, take + (number + 1) * 10**7)
    files, threads = held(comfy)
    folders = {path for path in comfy.home.rglob("*") if path.is_dir()}
    for number in range(4):
        run_anew(comfy, canned_box, take + (number + 10) * 10**7)
    files_later, threads_later = held(comfy)
    assert files_later <= files + 4
    assert threads_later <= threads + 4
    left = {path for path in comfy.home.rglob("*") if path.is_dir()} - folders
    assert not {path.relative_to(comfy.home) for path in left if path.parent.name != "results"}
