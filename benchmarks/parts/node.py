"""A long clip through a lip-sync node in a running ComfyUI, its frames not connected."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType

import numpy as np

from tests.host.client import Graph
from tests.host.hosting import Host, Installation, ModalSandbox
from viseme import media
from viseme.media.digest import digest_file

from ..altered import LONG_BITS_A_SECOND, LONG_SPEECH_SECONDS, long_video
from ..bench import Bench
from ..measuring import Spread
from ..report import Section, mebibytes, ratio, seconds, spread
from ..scene import SAMPLE_RATE, speech

_WARM_SECONDS = 2
_LOOK_SECONDS = 0.25
_RUN_SECONDS = 3000.0
_COPIES = 5
# ComfyUI collects garbage behind a prompt that ends ten seconds after it last did; behind another,
# when those ten seconds are over.
_COLLECT_SECONDS = 11.0
_OWN_PROMPTS = 5
_SETTLE_SECONDS = 1.0
_RECEIPT = 4  # by index among the node's outputs


def measure(bench: Bench) -> Section:
    plan, section = bench.plan, Section("A long clip through a node")
    runtime = bench.runtime
    if runtime.comfyui is None:
        section.lacks(f"the node ({runtime.missing})")
        return section
    width, height = plan.node_size
    bench.say(f"writing {plan.node_seconds} s of {width}x{height} for the node")
    folder = bench.disk / "node"
    warm = _pair(folder / "warm", _WARM_SECONDS, width, height)
    clip, sound = _pair(folder / "long", plan.node_seconds, width, height)
    box = ModalSandbox(folder / "sandbox", "brisk")
    try:
        base = folder / "comfyui"
        installation = Installation(runtime.comfyui, runtime.python, runtime.libraries)
        host = Host(installation, base, "--disable-api-nodes", sandbox=box, home=base / "home")
        try:
            bench.say("a warm run of the node")
            _run(host, *warm, take=1)
            _measure_node(bench, section, host, box, clip, sound)
        finally:
            host.stop()
    finally:
        box.close()
        shutil.rmtree(folder, ignore_errors=True)
    return section


def _measure_node(
    bench: Bench, section: Section, host: Host, box: ModalSandbox, clip: Path, sound: Path
) -> None:
    plan = bench.plan
    name, voice = host.put(clip), host.put(sound)
    _load_speech(host, voice)
    time.sleep(_COLLECT_SECONDS)
    idle = _idle_cpu(host)
    host.reset_peak()
    before, moved = host.held_bytes(), moved_bytes(host.process.pid)
    bench.say("the long clip through the node; the sandbox draws on each of its frames")
    with CpuWatch(host.process.pid) as watch:
        used, took = _computed(host, lambda: _run(host, name, voice, take=2))
    moved = moved_bytes(host.process.pid) - moved
    growth = host.peak_bytes() - before
    own = _own_computing(host, voice, idle)
    copy_cpu, copy_wall = copy_repeatedly(clip)
    copying = 2 * copy_cpu.middle
    bench.say("writing and copying in memory that was taken back meanwhile")
    after_wait = _AfterWait(plan.taken_back_seconds, plan.taken_back_rounds)
    giving = after_wait.giving_of_memory(clip.with_suffix(".written"), _result_bytes(host))
    taken_back = after_wait.copying_twice(clip)
    hashing = _computing(lambda: digest_file(clip))
    counting = _computing(lambda: media.probe_clip(clip, digest="known"))
    submitted, ended = (box.calls(what)[-1]["time"] for what in ("submit", "result"))
    waiting = watch.between(submitted, ended)
    beside_waiting = max(used - waiting - idle * (took - (ended - submitted)), 0.0)
    at_hand = max(beside_waiting - giving.least, 0.0)
    ours = max(at_hand - own.middle, 0.0)
    size = clip.stat().st_size
    width, height = plan.node_size
    section.say(
        f"{plan.node_seconds} s of {width}x{height} ({size / 1e6:.0f} MB, "
        f"{LONG_BITS_A_SECOND // 1_000_000} Mbit/s and AAC, as a camera writes it) from Load Video "
        "through Sync Lip Sync 2 Pro, of which only the receipt is taken, in a real ComfyUI, "
        "against the sandbox in another process. Memory is how far the host's VmHWM rose over "
        "what it held before. Computing is the host's and its children's user and system time "
        "over the run but for that of the wait from the submission to the call for the result and "
        "for what it uses while idle. (The wait is the sandbox's drawing; its clock runs 50 times "
        "as fast, so that it is asked ten times a second.) The node is run once. Counted is "
        "computing alone, that of the kernel for reading, writing and sending with it; the time in "
        "which the host stood still for a disk or for the sandbox is not."
    )
    section.say(
        "It is held against that of copying the clip twice on the same disk. A copy is the median "
        f"of {_COPIES}, one behind the other, each begun with nothing left to be written to the "
        "disk: it writes into memory that the one before has just left. The node writes its result "
        "after minutes of waiting. In a virtual machine whose own host takes back what is free in "
        "it, memory has to be given again by then, which is counted as the writer's computing and "
        "may be ten times that of writing. So like is held against like twice: what the node "
        f"computes, as it came, against two copies begun {plan.taken_back_seconds:.0f} s after "
        "anything was written, both kept until the second is there (the median of "
        f"{plan.taken_back_rounds}); and, less what the giving of the result's memory takes, "
        "against two copies in memory that is at hand. The giving is how much more computing it is "
        "to write a file of the result's size after such a wait than to write it once more at once "
        f"(the least of {plan.taken_back_rounds})."
    )
    section.say(
        "Told apart is what ComfyUI computes for any prompt: that of one which has all its outputs "
        f"already, the median of {_OWN_PROMPTS}, mostly its garbage collector's, which runs behind "
        "a prompt that ends ten seconds after it last did, as all of these. Of input and output "
        "the bytes are counted, against the four times the clip's size that two copies read and "
        "write: what the host and its children read and wrote by the kernel's `rchar` and "
        "`wchar`, in the page cache or not; what went through sockets is in it only as far as it "
        "was read from a file or written to one. Both the clip and the result are counted, and "
        "hashed once, which with sending and receiving them is most of what is computed."
    )
    rows = [
        ["growth of memory", f"{mebibytes(growth)} MiB"],
        ["computing in all", seconds(used)],
        [f"... while waiting for the vendor, {seconds(ended - submitted)}", seconds(waiting)],
        ["... but for waiting and idling", seconds(beside_waiting)],
        ["giving of memory for the result", spread(giving)],
        ["... but for that too", seconds(at_hand)],
        ["computing of a prompt that has all its outputs already", spread(own)],
        ["... but for that too, which is the node's", seconds(ours)],
        ["computing of one copy, memory at hand", spread(copy_cpu)],
        ["... of two", seconds(copying)],
        ["time of one copy, waiting for the disk included", spread(copy_wall)],
        ["computing of two copies, memory taken back", spread(taken_back)],
        ["in two copies, memory taken back: as it came", ratio(beside_waiting / taken_back.middle)],
        ["in two copies, memory at hand: but for the giving", ratio(at_hand / copying)],
        ["... the node's alone", ratio(ours / copying)],
        ["... as it came", ratio(beside_waiting / copying)],
        ["by itself: this file hashed", seconds(hashing)],
        ["by itself: its frames counted, and its sound by decoding it", seconds(counting)],
        ["read and written", f"{moved / 1e6:,.0f} MB"],
        ["read and written, in what two copies read and write", ratio(moved / (4 * size))],
        ["the run, rendering of the sandbox included", seconds(took - _SETTLE_SECONDS)],
    ]
    section.table(("what", "found"), rows)
    section.figures |= {
        "growth": growth,
        "of copying, memory at hand": at_hand / copying,
        "of copying, memory taken back": beside_waiting / taken_back.middle,
        "as it came, of copying with memory at hand": beside_waiting / copying,
        "the node's alone": ours / copying,
        "bytes of copying": moved / (4 * size),
    }


def _computed(host: Host, run: Callable[[], None]) -> tuple[float, float]:
    """What the host computes for a prompt, its collecting of garbage too, and how long it takes."""
    started, cpu = time.monotonic(), _cpu_seconds(host.process.pid)
    run()
    time.sleep(_SETTLE_SECONDS)
    return _cpu_seconds(host.process.pid) - cpu, time.monotonic() - started


def _own_computing(host: Host, voice: str, idle: float) -> Spread:
    """What the host computes for a prompt that has all its outputs already."""
    found = []
    for _ in range(_OWN_PROMPTS):
        time.sleep(_COLLECT_SECONDS)
        used, took = _computed(host, lambda: _load_speech(host, voice))
        found.append(max(used - idle * took, 0.0))
    return Spread.of(found)


def _computing(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _pair(folder: Path, length: int, width: int, height: int) -> tuple[Path, Path]:
    """A video with sound, and speech as a file for LoadAudio."""
    folder.mkdir(parents=True)
    path, sound = folder / f"{folder.name}.mp4", folder / f"{folder.name}.wav"
    long_video(path, width, height, length)
    samples = speech(min(length, LONG_SPEECH_SECONDS))
    media.write_sound(sound, samples[np.newaxis], SAMPLE_RATE, "wav")
    return path, sound


def _run(host: Host, clip: Path | str, sound: Path | str, take: int) -> None:
    names = [host.put(one) if isinstance(one, Path) else one for one in (clip, sound)]
    graph = Graph()
    video = graph.add("LoadVideo", file=names[0])
    voice = graph.add("LoadAudio", audio=names[1])
    sync = graph.add(
        "VisemeSyncLipSync2Pro",
        media=video[0],
        audio=voice[0],
        take=take,
        carry="upload",
        sync_mode="silence",
    )
    graph.record(sync[_RECEIPT])  # what SaveVideo itself costs is not ours
    host.run(graph, _RUN_SECONDS)


def _load_speech(host: Host, name: str) -> None:
    """ComfyUI's own decoding of the speech is not what is measured."""
    graph = Graph()
    voice = graph.add("LoadAudio", audio=name)
    graph.record(voice[0])
    host.run(graph, _RUN_SECONDS)


def _idle_cpu(host: Host) -> float:
    """What the host computes a second while nothing runs."""
    span = 2.0
    before = _cpu_seconds(host.process.pid)
    time.sleep(span)
    return (_cpu_seconds(host.process.pid) - before) / span


class CpuWatch(threading.Thread):
    """What a process has computed, looked at every quarter of a second while the block runs."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._over = threading.Event()
        self._times: list[float] = []
        self._computed: list[float] = []

    def __enter__(self) -> CpuWatch:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            self._times.append(time.time())  # the sandbox's clock
            self._computed.append(_cpu_seconds(self._pid))

    def between(self, start: float, stop: float) -> float:
        """Seconds of computing from one time to another."""
        at_start, at_stop = np.interp((start, stop), self._times, self._computed)
        return float(at_stop - at_start)


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process and of all its children, the ended ones too."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = sum(int(fields[index]) for index in (11, 12, 13, 14))
    return own / os.sysconf("SC_CLK_TCK") + sum(_of_children(pid, _cpu_seconds))


def moved_bytes(pid: int) -> float:
    """Read and written by a process and by all its children, the ended ones too."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    counts = dict(line.split(": ") for line in lines)
    own = int(counts["rchar"]) + int(counts["wchar"])
    return own + sum(_of_children(pid, moved_bytes))


def _of_children(pid: int, count: Callable[[int], float]) -> Iterator[float]:
    """What is counted of each child that runs; what has ended is counted with its parent."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        # A thread, or a child that is counted with its parent from now on, may have just ended.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for child in (task / "children").read_text().split():
                yield count(int(child))


def copy_repeatedly(path: Path) -> tuple[Spread, Spread]:
    """Computing and time of one copy of a file; what is written back meanwhile is only its own."""
    target = path.with_suffix(".copy")
    computed, took = [], []
    for _ in range(_COPIES):
        os.sync()
        cpu, started = time.process_time(), time.perf_counter()
        shutil.copyfile(path, target)
        computed.append(time.process_time() - cpu)
        took.append(time.perf_counter() - started)
        target.unlink()
    return Spread.of(computed), Spread.of(took)


def _result_bytes(host: Host) -> int:
    if host.home is None:
        raise LookupError("the host has no home of its own")
    return max(path.stat().st_size for path in (host.home / "results").glob("*/*"))


@dataclass(frozen=True)
class _AfterWait:
    """What writing costs after a wait in which a virtual machine's host takes memory back."""

    seconds: float
    rounds: int

    def giving_of_memory(self, path: Path, size_bytes: int) -> Spread:
        """How much more computing a file is after a wait than once more at once."""
        found = []
        for _ in range(self.rounds):
            self._wait()
            later, at_once = (_computing(partial(_write, path, size_bytes)) for _ in range(2))
            found.append(max(later - at_once, 0.0))
        return Spread.of(found)

    def copying_twice(self, path: Path) -> Spread:
        targets = [path.with_suffix(f".{name}") for name in ("first", "second")]
        found = []
        for _ in range(self.rounds):
            self._wait()
            found.append(_computing(lambda: [shutil.copyfile(path, target) for target in targets]))
            for target in targets:
                target.unlink()
        return Spread.of(found)

    def _wait(self) -> None:
        os.sync()
        time.sleep(self.seconds)


def _write(path: Path, size_bytes: int) -> None:
    piece = bytes(1 << 20)
    with path.open("wb") as file:
        for left in range(size_bytes, 0, -len(piece)):
            file.write(piece[:left])
    path.unlink()
