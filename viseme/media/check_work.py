"""What the child process does: read a file of others once, within bounds, and say what it is.

It is told what to do in lines of JSON on stdin, and answers in lines on stdout: ``ready``, then
``allow N`` as often as it gets on, where it may compute N more seconds, ``= {...}`` for the verdict
and ``end N`` once the process that read the file has ended with code N. Where processes
can be forked, each file is read in a fork of this one, which has everything imported already;
elsewhere the program ends after one file.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import MediaTooLarge, VisemeError
from ..model import Clip
from .frames import iterate_pictures
from .identify import OUT_OF_MEMORY, damaged, takes_too_long
from .limits import MediaLimits
from .opening import translated
from .picture import PictureReader
from .probe import probe_clip, probe_speech
from .verdicts import clip_from_json, clip_json, recording_json

# The result of a job is read next after what was sent for it, of a long clip minutes later.
# Starting anew computes for a tenth of a second; waiting holds 23 MiB that nothing else shares, in
# two processes at most.
IDLE_SECONDS = 600.0
_CAN_FORK = sys.platform == "linux"
_BEAT_SECONDS = 0.2
# A file's own size says how long reading may take; what is decoded says how long decoding may.
_LEAST_SECONDS = 8.0
_SECONDS_A_MEGABYTE = 3.0
_SECONDS_A_PACKET = 0.0003
_PIXELS_A_SECOND = 15_000_000


class Heart:
    """Tells the parent that reading goes on. Given as ``cancel`` to everything that takes long.

    That asks at every packet, and each of them earns a little more computing: hours of speech are
    many packets, and a trap is not. Raises ``MediaTooLarge`` where all that was earned is spent;
    what is deep in a decoder then is ended by the system, where that can.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next_beat = 0.0
        self._until = 0.0  # of computing

    def __call__(self) -> bool:
        self._until += _SECONDS_A_PACKET
        now = time.monotonic()
        if now >= self._next_beat:
            self._next_beat = now + _BEAT_SECONDS
            self._beat()
        return False

    def allow(self, seconds: float) -> None:
        """So much computing from now on, besides what is earned."""
        self._until = time.process_time() + seconds
        self._beat()

    def _beat(self) -> None:
        left = self._until - time.process_time()
        if left <= 0:
            raise takes_too_long(self._path)
        say(f"allow {left:.1f}")
        bound_computing(left)


def say(line: str) -> None:
    """One line to the parent, past every buffer. A parent that is gone ends this process."""
    os.write(1, line.encode() + b"\n")


def serve() -> None:
    """Read the files that the parent names until it is gone or has named none for a while."""
    say("ready")
    while True:
        if _CAN_FORK and not select.select([0], [], [], IDLE_SECONDS)[0]:
            return
        line = sys.stdin.buffer.readline()
        if not line:
            return
        request = json.loads(line)
        if not _CAN_FORK:
            _answer(request)
        process_id = os.fork()
        if not process_id:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            _answer(request)
        _, status = os.waitpid(process_id, 0)
        say(f"end {os.waitstatus_to_exitcode(status)}")


def _answer(request: Mapping[str, Any]) -> None:
    code = 1
    try:
        heart = Heart(Path(request["path"]))
        heart.allow(reading_seconds(request["size_bytes"]))
        memory_bytes = bound_memory(request["limits"]["max_check_bytes"])
        write_no_file()
        say("= " + json.dumps(_verdict(request, heart, memory_bytes)))
        code = 0
    finally:
        os._exit(code)  # what a broken file left behind is not taken apart


def reading_seconds(size_bytes: int) -> float:
    """How much computing it may take to read a file without decoding its pictures."""
    return _LEAST_SECONDS + size_bytes / 1e6 * _SECONDS_A_MEGABYTE


def bound_computing(seconds: float) -> None:
    """Compute so much longer, and be ended by SIGXCPU then, where the system can see to that."""
    if sys.platform == "win32":
        return
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    until = int(used.ru_utime + used.ru_stime + seconds) + 1
    _bound(resource.RLIMIT_CPU, until, can_be_raised=True)


def bound_memory(more_bytes: int) -> int:
    """From now on take at most so much more memory, where the system can see to that.

    How much it may be: less than asked for where this program was started under a lower limit.
    """
    if sys.platform == "win32":
        return more_bytes
    import resource

    try:
        taken_pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    except OSError:
        return more_bytes  # only Linux tells, and only there does the limit hold everywhere
    taken_bytes = taken_pages * resource.getpagesize()
    return _bound(resource.RLIMIT_AS, taken_bytes + more_bytes) - taken_bytes


def write_no_file() -> None:
    """Not by what reads a broken file, nor as what is left of a crash."""
    if sys.platform == "win32":
        return
    import resource

    _bound(resource.RLIMIT_FSIZE, 0)
    _bound(resource.RLIMIT_CORE, 0)


def _bound(kind: int, most: int, *, can_be_raised: bool = False) -> int:
    """Set one of the system's limits, within that under which this program was started."""
    import resource

    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    # A limit that cannot be set is no fault of the file's; the parent's clock goes on all the same.
    with suppress(OSError, ValueError):
        resource.setrlimit(kind, (most, hard if can_be_raised else most))
    return most


def _verdict(request: Mapping[str, Any], heart: Heart, memory_bytes: int) -> dict[str, Any]:
    path = Path(request["path"])
    try:
        return {"medium": _read(path, request, MediaLimits(**request["limits"]), heart)}
    except VisemeError as problem:
        if problem.code == OUT_OF_MEMORY:
            is_ours = memory_bytes == request["limits"]["max_check_bytes"]
            problem = _needs_more(path, memory_bytes, is_ours=is_ours)
        return {"problem": problem_json(problem)}
    except Exception as problem:  # noqa: BLE001  # whatever a broken file does, it is broken
        kind = type(problem).__name__
        return {"problem": problem_json(damaged(path, f"reading it fails ({kind}: {problem})"))}


def _read(
    path: Path, request: Mapping[str, Any], limits: MediaLimits, heart: Heart
) -> dict[str, Any]:
    digest = request["digest"]
    if request["kind"] == "recording":
        return recording_json(probe_speech(path, limits=limits, digest=digest, cancel=heart))
    if request["clip"] is None:
        sound = request["sound"]
        clip = probe_clip(path, sound=sound, limits=limits, digest=digest, cancel=heart)
    else:
        clip = clip_from_json(request["clip"], path)
    if request["frames"]:
        heart.allow(_LEAST_SECONDS + clip.frame_count * clip.width * clip.height / _PIXELS_A_SECOND)
        decode_all(clip, limits, heart)
    return clip_json(clip)


def decode_all(clip: Clip, limits: MediaLimits, cancel: Heart | None = None) -> None:
    """Decode every picture, to nothing. Raises ``MediaDamaged`` where fewer come than counted."""
    reader = PictureReader()
    seen = set()
    for picture in iterate_pictures(clip, limits=limits, cancel=cancel):
        shape = (picture.format.name, picture.width, picture.height, picture.colorspace)
        if shape not in seen:
            seen.add(shape)
            with translated(clip.path):
                reader.read_bytes(picture)


def _needs_more(path: Path, limit_bytes: int, *, is_ours: bool) -> MediaTooLarge:
    limit = "media_limits.max_check_bytes in settings.json"
    if not is_ours:
        limit = "the limit on memory under which this program was started (`ulimit -v`)"
    return MediaTooLarge(
        f"{path} needs more than {limit_bytes >> 20} MiB of memory to be read.",
        limit=limit_bytes,
        remedy=f"Scale it down, or raise {limit}.",
    )


def problem_json(problem: VisemeError) -> dict[str, Any]:
    return {
        "kind": problem.kind,
        "message": problem.message,
        "field": problem.field,
        "value": problem.value,
        "limit": problem.limit,
        "remedy": problem.remedy,
    }
