"""Files made to do harm: nothing crashes or hangs, no other file and no network is read."""

from __future__ import annotations

import contextlib
import ctypes
import datetime
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import av.error
import pytest

from tests.media.hostile import (
    disguises,
    index_bomb,
    many_pictures,
    picture_bomb,
    picture_header,
    sound_bomb,
    with_data_elsewhere,
    without_decoder,
)
from tests.media.mutants import KINDS, SOUNDS, Mutator, sources
from viseme.errors import InputError, MediaDamaged, MediaTooLarge, VisemeError
from viseme.media import (
    MediaGuard,
    decode_frames,
    decode_sound,
    iterate_frames,
    probe_clip,
    probe_speech,
)
from viseme.media.memory import free_memory_bytes

if TYPE_CHECKING:
    from .conftest import MediaMaker

ROOT = Path(__file__).resolve().parents[2]
SEED = datetime.datetime.now(datetime.timezone.utc).date().toordinal()
COUNT = int(os.environ.get("VISEME_MUTANTS", "60"))
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="inotify and fork are Linux's")


@ON_LINUX
def test_mutants_are_read_whole_or_refused_with_an_error_of_ours() -> None:
    command = [sys.executable, "-m", "tests.media.trials", "--seed", str(SEED)]
    done = subprocess.run(
        [*command, "--count", str(COUNT)], capture_output=True, text=True, cwd=ROOT, timeout=600
    )
    sys.stdout.write(f"{' '.join(command[1:])}\n")
    assert done.returncode in (0, 1), done.stderr
    for kind, found in json.loads(done.stdout)["kinds"].items():
        assert not found["bad"], (SEED, kind)
        assert sum(found["outcomes"].values()) == COUNT
        assert found["outcomes"].get("refused"), f"no mutant of {kind} was broken"
        assert found["outcomes"].get("whole"), f"every mutant of {kind} was broken"
        assert found["most_megabytes"] < 1500


@pytest.mark.parametrize("kind", KINDS)
def test_a_child_says_of_a_mutant_what_reading_it_here_says(tmp_path: Path, kind: str) -> None:
    originals = tuple(path.read_bytes() for path in sources(tmp_path)[kind])
    mutator, guard = Mutator(kind, originals, SEED), MediaGuard()
    path = tmp_path / f"mutant.{kind}"
    for number in range(8):
        path.write_bytes(mutator.mutant(number))
        if kind in SOUNDS:
            here, there = outcome(probe_speech, path), outcome(guard.recording, path)
        else:
            here, there = outcome(probe_clip, path), outcome(guard.clip, path)
        assert there == here, (SEED, number)


def outcome(read: Callable[[Path], object], path: Path) -> object:
    """What reading gives; where it refuses, the error's type and text."""
    try:
        return read(path)
    except VisemeError as problem:
        return type(problem), str(problem)


# ------------------------------------------------------- other files, and the network


class Watch:
    """Which files of a folder were opened or read since it began, by whichever process."""

    _OPENED_OR_READ = 0x20 | 0x01

    def __init__(self, folder: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_NONBLOCK)
        added = libc.inotify_add_watch(self._descriptor, os.fsencode(folder), self._OPENED_OR_READ)
        assert self._descriptor >= 0
        assert added >= 0

    def names(self) -> set[str]:
        found = set()
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._descriptor, 1 << 16):
                at = 0
                while at < len(data):
                    _, mask, _, size = struct.unpack_from("iIII", data, at)
                    name = data[at + 16 : at + 16 + size].rstrip(b"\0")
                    if name and not mask & 0x40000000:  # IN_ISDIR
                        found.add(os.fsdecode(name))
                    at += 16 + size
        return found

    def close(self) -> None:
        os.close(self._descriptor)


class Listener:
    """A port of this machine that counts who connects."""

    def __init__(self) -> None:
        self.count = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.count += 1
                connection.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def canaries(make: MediaMaker) -> Path:
    """A folder of files that nothing may read."""
    folder = make.folder / "canaries"
    folder.mkdir()
    make.clip("canaries/canary.mp4")
    for number in range(1, 4):
        make.still(f"canaries/canary-{number:02}.png")
    return folder


@pytest.fixture
def watch(canaries: Path) -> Iterator[Watch]:
    watching = Watch(canaries)
    yield watching
    watching.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listening = Listener()
    yield listening
    listening.close()


def read_all_ways(path: Path) -> None:
    """Everything that is done with a file that somebody names; it may be refused, as ours."""
    guard = MediaGuard()
    with contextlib.suppress(VisemeError):
        guard.clip(path, frames=True)
    with contextlib.suppress(VisemeError):
        guard.recording(path)
    with contextlib.suppress(VisemeError):
        clip = probe_clip(path)
        for _ in iterate_frames(clip):
            pass
    with contextlib.suppress(VisemeError):
        decode_sound(probe_speech(path))


@ON_LINUX
def test_the_watch_and_the_listener_see_what_ffmpeg_does_where_it_may(
    tmp_path: Path, canaries: Path, watch: Watch, listener: Listener
) -> None:
    made = disguises(tmp_path, canaries / "canary.mp4", listener.url)
    with (
        contextlib.suppress(av.error.FFmpegError),
        av.open(str(made["concat.mp4"]), format="concat", options={"safe": "0"}) as opened,
    ):
        next(opened.decode(video=0))
    assert watch.names() == {"canary.mp4"}
    options = {"protocol_whitelist": "file,http,tcp", "allowed_extensions": "ALL"}
    with (
        contextlib.suppress(av.error.FFmpegError),
        av.open(str(made["hls-variants.mp4"]), format="hls", options=options),
    ):
        pass
    assert listener.count > 0


@ON_LINUX
def test_playlists_in_disguise_read_nothing_else(
    tmp_path: Path, canaries: Path, watch: Watch, listener: Listener
) -> None:
    for name, path in disguises(tmp_path, canaries / "canary.mp4", listener.url).items():
        read_all_ways(path)
        with pytest.raises(MediaDamaged):
            probe_clip(path) if name not in ("tagged",) else probe_speech(path)
    assert watch.names() == set()
    assert listener.count == 0


@ON_LINUX
@pytest.mark.parametrize("name", ["canary-%02d.png", "canary-*.png", "canary-%d%d.jpg"])
def test_a_name_that_is_a_pattern_of_images_is_one_image(
    make: MediaMaker, canaries: Path, watch: Watch, name: str
) -> None:
    whole = make.still("other.png", size=(32, 20))
    path = canaries / name
    whole.rename(path)
    watch.names()
    read_all_ways(path)
    clip = MediaGuard().clip(path, frames=True)
    assert (clip.width, clip.height, clip.frame_count) == (32, 20, 1)
    assert watch.names() == {name}


@ON_LINUX
@pytest.mark.parametrize("kind", [b"url ", b"alis"])
def test_a_movie_whose_data_lie_elsewhere_is_not_read_from_there(
    make: MediaMaker, canaries: Path, watch: Watch, kind: bytes
) -> None:
    movie = make.clip("movie.mov", sound=(48000, 1, 0.4)).read_bytes()
    path = make.folder / "elsewhere.mov"
    path.write_bytes(with_data_elsewhere(movie, canaries / "canary.mp4", kind))
    assert b"dref" in path.read_bytes()
    read_all_ways(path)
    assert watch.names() == set()


@ON_LINUX
@pytest.mark.parametrize(
    "protocol", ["concat:{0}|{0}", "subfile,,start,0,end,0,,:{0}", "file:{0}", "cache:{0}", "{1}/a"]
)
def test_a_path_that_is_a_protocol_is_no_file(
    canaries: Path, watch: Watch, listener: Listener, protocol: str
) -> None:
    path = Path(protocol.format(canaries / "canary.mp4", listener.url))
    for read in (probe_clip, probe_speech, MediaGuard().clip, MediaGuard().recording):
        with pytest.raises(InputError, match="no such file"):
            read(path)
    assert watch.names() == set()
    assert listener.count == 0


# -------------------------------------------------------------------------- too much of it


def patience() -> float:
    """Ten seconds, on a machine that has them."""
    if not hasattr(os, "getloadavg"):
        return 10.0
    return 10.0 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < patience()


def needs_more_than_there_is(tensor_bytes: int) -> None:
    free = free_memory_bytes()
    if free is None or free > tensor_bytes:
        pytest.skip(f"{tensor_bytes / 1e9:.0f} GB of memory are no bomb here")


def test_hours_of_small_coded_pictures_are_refused_as_a_tensor(tmp_path: Path) -> None:
    path = many_pictures(tmp_path / "a.mp4", size=(1280, 720), group=60, groups=60)
    assert path.stat().st_size < 310_000
    with at_once():
        clip = MediaGuard().clip(path)
    assert clip.frame_count == 3600
    needs_more_than_there_is(clip.frame_count * clip.width * clip.height * 12)
    with at_once(), pytest.raises(MediaTooLarge, match="of memory are free"):
        decode_frames(clip)


def test_a_few_pictures_held_for_hours_are_refused_as_a_tensor(make: MediaMaker) -> None:
    path = make.clip(size=(1280, 720), stamps_ms=[0, 40, 80, 120, 3 * 3_600_000])
    assert path.stat().st_size < 200_000
    with at_once():
        clip = MediaGuard().clip(path)
    assert clip.frame_count > 200_000
    needs_more_than_there_is(clip.frame_count * clip.width * clip.height * 12)
    with at_once(), pytest.raises(MediaTooLarge, match="of memory are free"):
        decode_frames(clip)


def test_pictures_larger_than_the_limit_are_refused_by_their_headers(tmp_path: Path) -> None:
    for path in (
        picture_header(tmp_path / "a.webp", 16384, 16384),
        picture_bomb(tmp_path / "a.png", 20_000, 4_000),
    ):
        assert path.stat().st_size < 300_000
        with at_once(), pytest.raises((MediaDamaged, MediaTooLarge)):
            MediaGuard().clip(path, frames=True)


def test_hours_of_silence_in_eight_channels_take_no_memory(tmp_path: Path) -> None:
    path = sound_bomb(tmp_path / "a.flac", 5500)
    assert path.stat().st_size < 220_000
    needs_more_than_there_is(5500 * 65535 * 8 * 4)
    with at_once():
        heard = outcome(MediaGuard().recording, path)
    if isinstance(heard, tuple):
        assert heard[0] is MediaTooLarge  # a slow machine gives up on it
        return
    with at_once(), pytest.raises(MediaTooLarge, match="of memory are free"):
        decode_sound(probe_speech(path))


@ON_LINUX
def test_tables_of_endless_samples_end_within_the_bounds_of_the_child(make: MediaMaker) -> None:
    path = make.sound("a.m4a")
    path.write_bytes(index_bomb(path.read_bytes()))
    with at_once(), pytest.raises((MediaDamaged, MediaTooLarge)):
        MediaGuard().recording(path)


@pytest.mark.parametrize(
    ("name", "spoilt"),
    [
        ("a.mp4", [b"avc1"]),
        ("b.mp4", [b"avc1", b"mp4a"]),
        ("a.mov", [b"avc1", b"mp4a"]),
        ("a.webm", [b"V_VP9", b"A_OPUS"]),
        ("a.mkv", [b"V_MPEG4/ISO/AVC"]),
    ],
)
def test_a_picture_track_without_a_decoder_is_refused(
    make: MediaMaker, name: str, spoilt: list[bytes]
) -> None:
    path = make.clip(name, sound=(48000, 1, 0.4))
    path.write_bytes(without_decoder(path.read_bytes(), *spoilt))
    for read in (probe_clip, MediaGuard().clip):
        with pytest.raises(InputError):
            read(path)


def test_a_sound_track_without_a_decoder_leaves_the_pictures(make: MediaMaker) -> None:
    path = make.clip("a.mkv", sound=(48000, 1, 0.4))
    path.write_bytes(without_decoder(path.read_bytes(), b"A_AAC"))
    clip = MediaGuard().clip(path, frames=True)
    assert (clip.sound, clip.frame_count) == (None, 10)
    with pytest.raises(InputError):
        MediaGuard().recording(path)


def test_sound_that_ends_before_the_first_picture_is_none(make: MediaMaker) -> None:
    clip = probe_clip(make.clip("a.mkv", sound=(48000, 2, 0.2), video_delay_ms=1000))
    samples, sample_rate = decode_sound(clip)
    assert samples.shape == (1, 2, 0)
    assert sample_rate == 48000
    assert clip.start_seconds == Fraction(1)
