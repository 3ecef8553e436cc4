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
_LOOK_SECONDS = 0.02
_IDLE_SECONDS = 10.0
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
    bench.say("writing and copying in memory that was free for a while")
    later = (plan.taken_back_seconds, plan.taken_back_rounds)
    giving = computing_of_giving(clip.with_suffix(".written"), _result_bytes(host), *later)
    copied_later = copy_twice_after_a_wait(clip, *later)
    hashing = _computing(lambda: digest_file(clip))
    counting = _computing(lambda: media.probe_clip(clip, digest="known"))
    submitted, ended = (box.calls(what)[-1]["time"] for what in ("submit", "result"))
    waiting = watch.between(submitted, ended)
    computed = Computed(
        used,
        waiting,
        idling=idle * (took - (ended - submitted)),
        own=own.middle,
        giving=giving.middle,
        copying=2 * copy_cpu.middle,
        copying_later=copied_later.middle,
    )
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
        "disk. It is removed before the next, which writes into the memory that it leaves."
    )
    section.say(
        "A virtual machine's own host may take back memory that was free for seconds. Giving it "
        "again is counted as computing of whoever writes there, and may be ten times that of "
        "writing. The node writes its result after minutes of waiting; the copies do not wait. "
        "Two figures tell how much that is. One leaves out the giving for a file of the result's "
        f"size: how much more computing it is to write one {plan.taken_back_seconds:.0f} s after "
        "anything else than once more at once. The other leaves nothing out and holds the node "
        "against two copies that begin after such a wait, the first kept beside the second, which "
        f"pay for the memory of both. Each is the median of {plan.taken_back_rounds}, made after "
        "the run; how much of the memory that the node met was taken back is not known."
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
        ["... but for waiting and idling", seconds(computed.beside_waiting)],
        ["computing of one copy", spread(copy_cpu)],
        ["... of two", seconds(computed.copying)],
        ["time of one copy, waiting for the disk included", spread(copy_wall)],
        ["**computing but for waiting and idling, in two copies**", ratio(computed.of_copying)],
        ["giving of memory for a file of the result's size", spread(giving)],
        ["... without it, in two copies", ratio(computed.without_giving)],
        ["computing of two copies after a wait", spread(copied_later)],
        ["... with nothing left out, in these", ratio(computed.of_copying_later)],
        ["computing of a prompt that has all its outputs already", spread(own)],
        ["... without it, in two copies", ratio(computed.without_own)],
        ["by itself: this file hashed", seconds(hashing)],
        ["by itself: its frames and sound counted", seconds(counting)],
        ["read and written", f"{moved / 1e6:,.0f} MB"],
        ["read and written, in what two copies read and write", ratio(moved / (4 * size))],
        ["the run, rendering of the sandbox included", seconds(took - _SETTLE_SECONDS)],
    ]
    section.table(("what", "found"), rows)
    section.figures |= {
        "growth": growth,
        "with ComfyUI's own of copying": computed.of_copying,
        "of copying": computed.without_own,
        "without giving of copying": computed.without_giving,
        "of copying after a wait": computed.of_copying_later,
        "bytes of copying": moved / (4 * size),
    }


@dataclass(frozen=True)
class Computed:
    """What the host computed over a run, in seconds, and what it is held against.

    ``waiting`` and ``idling`` are parts of ``used``; ``own`` is ComfyUI's for any prompt,
    ``giving`` that of memory for the result; ``copying`` and ``copying_later`` are two copies each.
    """

    used: float
    waiting: float
    idling: float
    own: float
    giving: float
    copying: float
    copying_later: float

    @property
    def beside_waiting(self) -> float:
        return max(self.used - self.waiting - self.idling, 0.0)

    @property
    def of_copying(self) -> float:
        return self.beside_waiting / self.copying

    @property
    def without_own(self) -> float:
        return max(self.beside_waiting - self.own, 0.0) / self.copying

    @property
    def without_giving(self) -> float:
        return max(self.beside_waiting - self.giving, 0.0) / self.copying

    @property
    def of_copying_later(self) -> float:
        return self.beside_waiting / self.copying_later


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
    before = _cpu_seconds(host.process.pid)
    time.sleep(_IDLE_SECONDS)
    return (_cpu_seconds(host.process.pid) - before) / _IDLE_SECONDS


class CpuWatch(threading.Thread):
    """What a process has computed, looked at every 20 ms while the block runs."""

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
            before, computed = time.time(), _cpu_seconds(self._pid)  # the sandbox's clock
            # A look that took long may tell of work behind its time, or before it.
            if time.time() - before <= _LOOK_SECONDS:
                self._times.append(before)
                self._computed.append(computed)

    def between(self, start: float, stop: float) -> float:
        """Seconds of computing from the first look behind ``start`` to the last before ``stop``.

        What is computed just before or behind them is never in it, however late a look came.
        """
        inside = [
            c for at, c in zip(self._times, self._computed, strict=True) if start <= at <= stop
        ]
        return inside[-1] - inside[0] if inside else 0.0


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


def computing_of_giving(path: Path, size_bytes: int, wait_seconds: float, rounds: int) -> Spread:
    """How much more computing a file is after a wait than once more at once."""
    found = []
    for _ in range(rounds):
        _wait(wait_seconds)
        computed = []
        for _ in range(2):
            computed.append(_computing(partial(write_zeros, path, size_bytes)))
            path.unlink()
        found.append(max(computed[0] - computed[1], 0.0))
    return Spread.of(found)


def copy_twice_after_a_wait(path: Path, wait_seconds: float, rounds: int) -> Spread:
    """Computing of two copies of a file, the first kept beside the second."""
    targets = [path.with_suffix(f".{name}") for name in ("first", "second")]
    found = []
    for _ in range(rounds):
        _wait(wait_seconds)
        found.append(_computing(lambda: [shutil.copyfile(path, target) for target in targets]))
        for target in targets:
            target.unlink()
    return Spread.of(found)


def _wait(seconds: float) -> None:
    """Leave free memory to the host of a virtual machine, which may take it back."""
    os.sync()
    time.sleep(seconds)


def write_zeros(path: Path, size_bytes: int) -> None:
    piece = bytes(1 << 20)
    with path.open("wb") as file:
        for left in range(size_bytes, 0, -len(piece)):
            file.write(piece[:left])
