"""Files of others are read in a child process first: what it finds, and how it may end."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import break_sound
from viseme.errors import Interrupted, MediaDamaged, MediaError, MediaTooLarge
from viseme.media import (
    MediaGuard,
    MediaLimits,
    conform_clip,
    iterate_frames,
    probe_clip,
    probe_speech,
    trim_clip,
)
from viseme.media.check_process import (
    MOST_WAITING,
    PROGRAM,
    CheckProcess,
    end_idle,
    keep_for_next,
)
from viseme.media.source import file_state
from viseme.model import Clip, SourceFile

if TYPE_CHECKING:
    from .conftest import MediaMaker

ROOT = Path(__file__).resolve().parents[2]
NEEDS_PROC = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="child processes are found through /proc"
)
SECOND_BYTES = 48000 * 2 * 2


def parent_of(process_id: int) -> int:
    """0 where it is no process, or one that has ended."""
    try:
        state, parent = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[:2]
    except (OSError, ValueError):
        return 0
    return 0 if state == "Z" else int(parent)


def readers(process_id: int) -> Iterator[int]:
    """The processes that read a file for ``process_id`` just now: children of its child PROGRAM."""
    running = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    parents = {process: parent_of(process) for process in running}
    for process, parent in parents.items():
        if parents.get(parent) != process_id:
            continue
        with contextlib.suppress(OSError):
            if str(PROGRAM).encode() in Path(f"/proc/{parent}/cmdline").read_bytes():
                yield process


def await_reader(process_id: int) -> int:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for reader in readers(process_id):
            return reader
        time.sleep(0.005)
    raise AssertionError("no file is being read")


def await_end(process_id: int) -> None:
    end = time.monotonic() + 10
    while parent_of(process_id):
        assert time.monotonic() < end, "it goes on"
        time.sleep(0.01)


class Reading:
    """A file being read through a guard by another thread, and what came of it."""

    def __init__(self, read: Callable[[], object]) -> None:
        self.error: BaseException | None = None
        self._read = read
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._read()
        except BaseException as error:
            self.error = error

    def ended(self) -> BaseException | None:
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.error


@pytest.fixture
def long_sound(tmp_path: Path) -> Path:
    """An hour of silence, to be caught being read; it takes no room on the disk."""
    path, size_bytes = tmp_path / "long.wav", 3600 * SECOND_BYTES
    head = b"RIFF" + (size_bytes + 36).to_bytes(4, "little") + b"WAVEfmt \x10\0\0\0\x01\0\x02\0"
    head += (48000).to_bytes(4, "little") + (SECOND_BYTES).to_bytes(4, "little") + b"\x04\0\x10\0"
    with path.open("wb") as file:
        file.write(head + b"data" + size_bytes.to_bytes(4, "little"))
        file.truncate(size_bytes + 44)
    return path


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.webm", "a.avi", "a.png", "a.webp"])
def test_a_child_finds_what_is_found_here(make: MediaMaker, name: str) -> None:
    if name.endswith(("png", "webp")):
        path = make.still(name)
    else:
        path = make.clip(name, sound=(48000, 2, 0.4), rate=Fraction(30000, 1001))
    assert MediaGuard().clip(path, frames=True) == probe_clip(path)


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.m4a", "a.flac", "a.ogg"])
def test_a_child_hears_what_is_heard_here(make: MediaMaker, name: str) -> None:
    path = make.sound(name, channels=2)
    assert MediaGuard().recording(path) == probe_speech(path)


def test_an_error_of_the_child_is_the_same_error_here(make: MediaMaker) -> None:
    path = make.without_frames()
    with pytest.raises(MediaDamaged) as here:
        probe_clip(path)
    with pytest.raises(MediaDamaged) as there:
        MediaGuard().clip(path)
    assert (str(there.value), there.value.value) == (str(here.value), here.value.value)


@pytest.mark.parametrize("at_the_end", [False, True])
def test_pictures_that_do_not_decode_are_told_before_they_are_needed(
    make: MediaMaker, at_the_end: bool
) -> None:
    path = make.with_lost_pictures(
        make.clip(frame_count=24, codec="mpeg4", b_frames=2), at_the_end=at_the_end
    )
    guard = MediaGuard()
    clip = guard.clip(path)
    with pytest.raises(MediaDamaged):
        guard.check(clip, frames=True)
    with pytest.raises(MediaDamaged):
        guard.clip(path, frames=True)


def test_sound_that_does_not_decode_is_told_before_it_is_needed(
    make: MediaMaker, tmp_path: Path
) -> None:
    path = break_sound(make.clip(frame_count=100, sound=(48000, 1, 4.0)))
    guard = MediaGuard(tmp_path / "checked")
    clip = guard.clip(path)
    assert clip.sound is not None and clip.sound.sample_count == 4 * 48000
    for decode in (
        lambda: guard.check(clip, sound=True),
        lambda: guard.check(clip, frames=True, sound=True),
        lambda: guard.recording(path),
    ):
        with pytest.raises(MediaDamaged):
            decode()
    assert guard.clip(path) == clip


@NEEDS_PROC
@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (signal.SIGSEGV, MediaDamaged, "SIGSEGV"),
        (signal.SIGABRT, MediaDamaged, "SIGABRT"),
        (signal.SIGKILL, MediaTooLarge, "memory"),
        (signal.SIGXCPU, MediaTooLarge, "longer"),
    ],
)
def test_a_reader_that_dies_costs_only_its_file(
    make: MediaMaker, long_sound: Path, number: signal.Signals, kind: type, words: str
) -> None:
    guard = MediaGuard()
    reading = Reading(lambda: guard.recording(long_sound))
    os.kill(await_reader(os.getpid()), number)
    error = reading.ended()
    assert type(error) is kind
    assert isinstance(error, MediaError)
    assert words in str(error)
    assert error.remedy
    path = make.sound()
    assert guard.recording(path) == probe_speech(path)


@NEEDS_PROC
def test_a_reader_that_stands_still_is_ended(long_sound: Path) -> None:
    guard = MediaGuard(stall_seconds=1.0)
    reading = Reading(lambda: guard.recording(long_sound))
    reader = await_reader(os.getpid())
    os.kill(reader, signal.SIGSTOP)
    begun = time.monotonic()
    error = reading.ended()
    assert isinstance(error, MediaDamaged)
    assert "does not get on for 1 s" in str(error)
    assert time.monotonic() - begun < 5
    await_end(reader)


@NEEDS_PROC
def test_an_interrupt_ends_the_reader(long_sound: Path) -> None:
    stop = threading.Event()
    reading = Reading(lambda: MediaGuard().recording(long_sound, cancel=stop.is_set))
    reader = await_reader(os.getpid())
    begun = time.monotonic()
    stop.set()
    assert isinstance(reading.ended(), Interrupted)
    assert time.monotonic() - begun < 1.5
    await_end(reader)


READ_ONE = """
import sys
from pathlib import Path
from viseme.media import MediaGuard
MediaGuard().recording(Path(sys.argv[1]))
"""


@NEEDS_PROC
def test_readers_end_with_whom_they_read_for_and_know_no_key(long_sound: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", READ_ONE, str(long_sound)],
        cwd=ROOT,
        env={**os.environ, "FAL_KEY": "canary-id:canary-secret", "VISEME_HOME": "/canary-home"},
    )
    try:
        reader = await_reader(process.pid)
        server = parent_of(reader)
        for entry in (reader, server):
            assert b"canary" not in Path(f"/proc/{entry}/environ").read_bytes()
    finally:
        process.kill()
        process.wait()
    await_end(reader)
    await_end(server)


FORKING = """
import os, sys
from pathlib import Path
from viseme.errors import MediaDamaged
from viseme.media import MediaGuard

first, second, broken = map(Path, sys.argv[1:])
guard = MediaGuard()
guard.clip(first)  # its reader waits for the next file
for _ in range(2):
    forked = os.fork()
    if forked == 0:
        try:
            guard.clip(broken)
        except MediaDamaged:
            assert guard.clip(second).path == second
            sys.exit(0)
        sys.exit("the broken file passed")
    assert os.waitpid(forked, 0)[1] == 0
    assert guard.clip(second).path == second
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_process_and_the_one_it_came_from_read_with_readers_of_their_own(
    make: MediaMaker, tmp_path: Path
) -> None:
    """Else each would hear what the other one's file is."""
    first, second = make.clip("a.mp4"), make.clip("b.mp4", frame_count=5)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(first.read_bytes()[:-200])
    program = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKING]
    done = subprocess.run(
        [*program, str(first), str(second), str(broken)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_no_more_than_two_readers_wait_for_the_next_file() -> None:
    end_idle()
    started = [CheckProcess() for _ in range(4)]
    try:
        for process in started:
            keep_for_next(process)
        have_ended = [process._process.poll() is not None for process in started]
        assert have_ended == [False] * MOST_WAITING + [True] * 2
    finally:
        end_idle()


# Else ten minutes, and here a tenth of a second.
IDLE = """
from viseme.media import check_work
check_work.IDLE_SECONDS = 0.1
check_work.serve()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a reader ends after each file")
def test_a_reader_that_is_asked_nothing_ends_by_itself() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", IDLE], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as reader:
        try:
            assert reader.wait(30) == 0
        finally:
            reader.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a process' memory")
def test_more_memory_than_is_allowed_is_refused_with_the_setting_that_allows_it(
    make: MediaMaker,
) -> None:
    path = make.clip(size=(2560, 1440), frame_count=6)
    assert MediaGuard().clip(path, frames=True).frame_count == 6
    with pytest.raises(MediaTooLarge, match=r"media_limits\.max_check_bytes"):
        MediaGuard(limits=MediaLimits(max_check_bytes=56 * 2**20)).clip(path, frames=True)


# What a shell's `ulimit` does. Root, who may raise any limit again, gives that right up first: the
# program that is started next, which reads the file, has it no more.
READ_UNDER_A_LIMIT = """
import ctypes, os, resource, sys
from pathlib import Path
CAP_SYS_RESOURCE, PR_CAPBSET_DROP = 24, 24
if os.geteuid() == 0 and ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE, 0, 0, 0):
    sys.exit("the right cannot be given up")
limit = int(sys.argv[2])
resource.setrlimit(getattr(resource, sys.argv[1]), (limit, limit))
from viseme.errors import MediaError
from viseme.media import MediaGuard
try:
    print(MediaGuard().clip(Path(sys.argv[3]), frames=True).frame_count)
except MediaError as problem:
    print(problem.kind, problem)
"""


def read_under_a_limit(path: Path, name: str, limit: int) -> str:
    done = subprocess.run(
        [sys.executable, "-c", READ_UNDER_A_LIMIT, name, str(limit), str(path)],
        cwd=ROOT,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.skipif(sys.platform != "linux", reason="gives up a right that only Linux has")
@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("RLIMIT_CPU", 20),
        ("RLIMIT_AS", 1200 * 2**20),
        ("RLIMIT_FSIZE", 0),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_NOFILE", 64),
    ],
)
def test_a_good_file_is_read_under_a_lower_limit_of_the_systems(
    make: MediaMaker, name: str, limit: int
) -> None:
    assert read_under_a_limit(make.clip(frame_count=7), name, limit) == "7"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a process' memory")
def test_a_file_too_large_for_a_limit_of_the_systems_is_told_of_that_limit(
    make: MediaMaker,
) -> None:
    path = make.clip(size=(7680, 4320), frame_count=4)
    said = read_under_a_limit(path, "RLIMIT_AS", 600 * 2**20)
    assert said.startswith("media_too_large")
    assert "ulimit -v" in said
    assert "max_check_bytes" not in said


def kept(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json"))


def test_a_file_is_read_once_wherever_it_lies(make: MediaMaker, tmp_path: Path) -> None:
    folder = tmp_path / "home" / "checked"
    path = make.clip()
    first = MediaGuard(folder).clip(path)
    (verdict,) = kept(folder)
    # Something that the file does not say, to tell a memory from a second reading.
    document = json.loads(verdict.read_text())
    document["medium"]["codec"] = "remembered"
    verdict.write_text(json.dumps(document))
    copy = tmp_path / "copy.mp4"
    shutil.copy(path, copy)
    again = MediaGuard(folder).clip(copy)
    assert (again.path, again.codec) == (copy, "remembered")
    assert again.digest == first.digest
    if os.name == "posix":
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_digest_that_is_known_is_taken_again_only_of_a_file_that_was_touched(
    make: MediaMaker,
) -> None:
    path, guard = make.clip(), MediaGuard()
    # Not its digest, to tell what is believed from what was read.
    known = SourceFile(path, "known", file_state(path))
    clip = guard.clip(path, known=known)
    assert (clip.digest, clip.source) == ("known", known)
    os.utime(path)
    touched = guard.clip(path, known=known)
    assert touched.digest == guard.clip(path).digest != "known"
    assert touched.source != known


def test_frames_are_decoded_once_where_a_clip_was_only_counted_before(
    make: MediaMaker, tmp_path: Path
) -> None:
    guard = MediaGuard(tmp_path / "checked")
    clip = guard.clip(make.clip())
    assert [json.loads(p.read_text())["frames"] for p in kept(tmp_path / "checked")] == [False]
    guard.check(clip, frames=True)
    assert [json.loads(p.read_text())["frames"] for p in kept(tmp_path / "checked")] == [True]
    clip.path.unlink()
    guard.check(clip, frames=True)  # it would fail if it were read again


def test_sound_is_decoded_once_where_a_clip_was_only_counted_before(
    make: MediaMaker, tmp_path: Path
) -> None:
    guard = MediaGuard(tmp_path / "checked")
    clip = guard.clip(make.clip(sound=(48000, 1, 0.4)))
    guard.check(clip, sound=True)
    break_sound(clip.path)
    known = replace(clip, source=None)  # as it was found, whatever lies there now
    guard.check(known, sound=True)
    guard.check(known, frames=True)
    guard.check(known, frames=True, sound=True)
    with pytest.raises(MediaDamaged):
        MediaGuard().check(known, sound=True)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("silent.mp4", {}),
        ("a.mkv", {"sound": (48000, 1, 0.4)}),
        ("a.webm", {"sound": (48000, 1, 0.4)}),
    ],
)
def test_a_clip_whose_sound_is_none_or_was_decoded_to_count_it_is_not_read_for_it_again(
    make: MediaMaker, name: str, options: dict[str, Any]
) -> None:
    guard = MediaGuard()
    clip = guard.clip(make.clip(name, **options))
    clip.path.unlink()
    guard.check(clip, sound=True)


def test_frames_are_decoded_though_the_sound_beside_them_is_broken(
    make: MediaMaker, tmp_path: Path
) -> None:
    guard = MediaGuard(tmp_path / "checked")
    path = break_sound(make.clip(frame_count=100, sound=(48000, 1, 4.0)))
    clip = guard.clip(path)
    guard.check(clip, frames=True)
    assert guard.clip(path, frames=True) == clip
    with pytest.raises(MediaDamaged):
        guard.check(clip, sound=True)


def test_what_was_found_under_other_limits_does_not_count(make: MediaMaker, tmp_path: Path) -> None:
    path = make.clip(frame_count=10)
    MediaGuard(tmp_path / "checked").clip(path)
    with pytest.raises(MediaTooLarge):
        MediaGuard(tmp_path / "checked", MediaLimits(max_frames=9)).clip(path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"medium": 1}', '{"frames": true}', "\0"])
def test_a_spoilt_memory_only_costs_another_reading(
    make: MediaMaker, tmp_path: Path, text: str
) -> None:
    path, guard = make.clip(), MediaGuard(tmp_path / "checked")
    first = guard.clip(path)
    kept(tmp_path / "checked")[0].write_text(text)
    assert guard.clip(path) == first


def test_a_memory_that_cannot_be_written_is_no_obstacle(make: MediaMaker, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    path = make.clip()
    assert MediaGuard(tmp_path / "file").clip(path) == probe_clip(path)


LOAD_AS_A_PACK = """
import importlib.util, sys
from pathlib import Path
package, file = Path(sys.argv[1]), Path(sys.argv[2])
name = str(package.parent)  # ComfyUI gives a pack its path as its name
outer = importlib.util.spec_from_loader(name, None, is_package=True)
sys.modules[name] = importlib.util.module_from_spec(outer)
name = name + ".viseme"
spec = importlib.util.spec_from_file_location(
    name, package / "__init__.py", submodule_search_locations=[str(package)]
)
module = sys.modules[name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
media = importlib.import_module(name + ".media")
print(media.MediaGuard().clip(file, frames=True).frame_count)
"""


def test_a_pack_under_a_strange_name_can_have_files_read(make: MediaMaker, tmp_path: Path) -> None:
    path = make.clip(frame_count=7)
    done = subprocess.run(
        [sys.executable, "-I", "-c", LOAD_AS_A_PACK, str(ROOT / "viseme"), str(path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
    )
    assert done.stdout == "7\n", done.stderr


class Told:
    """What it was told is going to be decoded."""

    def __init__(self) -> None:
        self.of_frames = self.of_sound = False

    def __call__(self, clip: Clip, *, frames: bool = False, sound: bool = False) -> None:
        self.of_frames |= frames
        self.of_sound |= sound


@pytest.mark.parametrize(
    ("name", "start", "is_decoded", "is_coded"),
    [("clip.mp4", 0, False, False), ("clip.mp4", 3, True, True), ("flac.mkv", 0, True, False)],
)
def test_a_window_is_checked_just_where_it_is_not_copied(
    make: MediaMaker, name: str, start: int, is_decoded: bool, is_coded: bool
) -> None:
    codec = "flac" if name.startswith("flac") else "aac"
    clip = probe_clip(make.clip(name, frame_count=50, sound=(48000, 1, 2.0), sound_codec=codec))
    told = Told()
    trim_clip(clip, make.folder / "cut.mp4", start, 12, before_decoding=told)
    assert (told.of_sound, told.of_frames) == (is_decoded, is_coded)


@pytest.mark.parametrize(
    ("name", "options", "is_decoded"),
    [
        ("as-it-is.mp4", {}, False),
        ("only-remuxed.mkv", {}, False),
        ("encoded.avi", {"codec": "mpeg4"}, True),
        ("made-smaller.mp4", {"max_bytes": 6000}, True),
    ],
)
def test_frames_are_checked_just_where_conforming_decodes_them(
    make: MediaMaker, name: str, options: dict[str, Any], is_decoded: bool
) -> None:
    max_bytes = options.pop("max_bytes", None)
    clip = probe_clip(make.clip(name, frame_count=25, size=(160, 120), **options))
    told = Told()
    conform_clip(
        clip,
        make.folder,
        containers={"mp4"},
        codecs={"h264"},
        max_bytes=max_bytes,
        before_decoding=told,
    )
    assert told.of_frames is is_decoded


@pytest.mark.parametrize(
    ("name", "options", "is_decoded", "is_coded"),
    [
        ("as-it-is.mp4", {}, False, False),
        ("only-remuxed.mkv", {}, False, False),
        ("silent.mkv", {"sound": None}, False, False),
        ("delayed.mkv", {"sound_delay_ms": 200}, True, False),
        ("other-codec.mkv", {"sound_codec": "flac"}, True, False),
        ("encoded.avi", {"codec": "mpeg4", "sound_codec": "mp3"}, True, True),
    ],
)
def test_sound_is_checked_just_where_conforming_decodes_it(
    make: MediaMaker, name: str, options: dict[str, Any], is_decoded: bool, is_coded: bool
) -> None:
    options = {"sound": (48000, 1, 0.6)} | options
    clip = probe_clip(make.clip(name, frame_count=25, **options))
    told = Told()
    conform_clip(clip, make.folder, containers={"mp4"}, codecs={"h264"}, before_decoding=told)
    assert (told.of_sound, told.of_frames) == (is_decoded, is_coded)


def test_a_clip_that_was_checked_decodes_here(make: MediaMaker) -> None:
    clip = MediaGuard().clip(make.turned(90), frames=True)
    assert sum(1 for _ in iterate_frames(clip)) == clip.frame_count == 5
