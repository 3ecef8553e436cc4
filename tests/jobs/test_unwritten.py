"""Media in memory are bought as files are: once, and written only when they are bought."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from viseme.errors import InputError, Interrupted, MediaTooLarge, OutcomeUnknown
from viseme.home import Home
from viseme.jobs.destination import sandbox_at
from viseme.jobs.run import Finished, job_mark, run
from viseme.jobs.signals import CancelToken
from viseme.jobs.unwritten import (
    clip_of_frames,
    clip_window,
    own_sound_of,
    recording_of_samples,
)
from viseme.jobs.wish import Planned, Wish, make_plan
from viseme.jobs.workplace import Watch, Workplace
from viseme.ledger import Ledger, State
from viseme.media import (
    MediaLimits,
    decode_frames,
    decode_sound,
    iterate_frames,
    probe_clip,
    probe_speech,
)
from viseme.media.copying import can_cut
from viseme.media.media_guard import BeforeDecoding, let_pass
from viseme.model import Clip, Recording
from viseme.settings import Settings

from ..media.conftest import MediaMaker

Box = Any
Media = Any
Frames = NDArray[np.float32]

RATE = Fraction(25)
NTSC = Fraction(30000, 1001)
SPEECH_RATE = 16_000
NOISE_COUNT = 200


def never() -> bool:
    return False


def pictures(count: int = 12, *, height: int = 64, width: int = 96, channels: int = 3) -> Frames:
    """Frame n is a grey of its own, with a ramp from left to right."""
    frames = np.empty((count, height, width, channels), np.float32)
    frames[:] = np.linspace(0, 0.5, width, dtype=np.float32)[:, None]
    frames += np.linspace(0, 0.4, count, dtype=np.float32)[:, None, None, None]
    return frames


def noise(count: int = NOISE_COUNT) -> Frames:
    """Frames that take a while to encode, and no memory: one picture over and over."""
    one = np.random.default_rng(3).random((1, 240, 320, 3), np.float32)
    return np.broadcast_to(one, (count, 240, 320, 3))


def samples(seconds: float = 0.4, channels: int = 1) -> Frames:
    count = round(seconds * SPEECH_RATE)
    wave = np.sin(np.arange(count, dtype=np.float32) * 0.1) * np.float32(0.5)
    return np.tile(wave, (1, channels, 1))


class Desk:
    """One home and one sandbox: ``buy`` runs a wish there."""

    def __init__(self, root: Path, box: Box) -> None:
        self.box = box
        self.home = Home(root).create()
        self.ledger = Ledger.open(self.home.ledger)
        self.place = Workplace(self.home, Settings.load(self.home.settings), self.ledger)

    def wish(
        self,
        frames: Any,
        sound: Any = None,
        endpoint: str = "fal-sync",
        arguments: dict[str, Any] | None = None,
        **more: Any,
    ) -> Planned:
        clip, write = clip_of_frames(frames, RATE)
        speech, write_speech = recording_of_samples(
            samples() if sound is None else sound, SPEECH_RATE
        )
        wish = Wish(
            endpoint,
            arguments or {},
            clip,
            speech,
            write_footage=write,
            write_speech=write_speech,
            **more,
        )
        return make_plan(wish, self.place.settings)

    def buy(self, planned: Planned, watch: Watch | None = None) -> Finished:
        return asyncio.run(self.buying(planned, watch or Watch()))

    async def buying(self, planned: Planned, watch: Watch) -> Finished:
        where = await sandbox_at(self.box.control, self.home)
        return await run(planned, self.place, where, watch)

    def states(self) -> list[State]:
        return [job.state for job in self.ledger.list()]

    def left_in_work(self) -> list[Path]:
        return [path for path in self.home.work.rglob("*") if path.is_file()]


@pytest.fixture
def desk(home: Path, sandbox: Box) -> Iterator[Desk]:
    opened = Desk(home, sandbox)
    yield opened
    opened.ledger.close()


def steps(finished: Finished, role: str) -> list[str]:
    return list(finished.receipt["media"][role]["steps"])


# Bought once


def test_frames_and_samples_become_a_finished_job_that_is_encoded_once(desk: Desk) -> None:
    finished = desk.buy(desk.wish(pictures()))
    assert finished.job.state is State.FETCHED
    assert finished.files[0].stat().st_size > 0
    assert steps(finished, "video") == ["encoded 12 frames from memory as H.264"]
    assert steps(finished, "audio") == ["wrote 6400 samples from memory as WAV"]
    assert finished.receipt["media"]["video"]["name"] == "frames.mp4"
    assert len(desk.box.charges()) == 1
    assert desk.left_in_work() == []


class Counting:
    """Writes as another does, and counts how often."""

    def __init__(self, write: Any) -> None:
        self.write = write
        self.count = 0
        self.steps: tuple[str, ...] = write.steps

    def __call__(
        self,
        folder: Path,
        cancel: Callable[[], bool],
        before_decoding: BeforeDecoding = let_pass,
    ) -> Any:
        self.count += 1
        return self.write(folder, cancel, before_decoding)


def test_the_same_frames_again_buy_nothing_and_write_no_file(desk: Desk) -> None:
    first = desk.buy(desk.wish(pictures()))
    clip, write = clip_of_frames(pictures(), RATE)
    speech, write_speech = recording_of_samples(samples(), SPEECH_RATE)
    counting, counting_speech = Counting(write), Counting(write_speech)
    wish = Wish(
        "fal-sync",
        {},
        clip,
        speech,
        write_footage=counting,
        write_speech=counting_speech,
    )
    second = desk.buy(make_plan(wish, desk.place.settings))
    assert second.reused
    assert second.job.id == first.job.id
    assert counting.count == counting_speech.count == 0
    assert len(desk.box.charges()) == 1


def test_array_and_tensor_alpha_or_not_are_one_purchase(desk: Desk) -> None:
    frames = pictures(channels=4)
    desk.buy(desk.wish(frames))
    tensor = torch.from_numpy(frames)
    moved = torch.from_numpy(np.ascontiguousarray(frames.transpose(3, 0, 1, 2)))
    sound = torch.from_numpy(samples()[0])
    for same in (tensor, tensor[..., :3], moved.permute(1, 2, 3, 0), tensor.double()):
        assert desk.buy(desk.wish(same, sound)).reused
    assert len(desk.box.charges()) == 1


def test_what_differs_in_one_value_in_size_or_in_rate_is_another_clip() -> None:
    frames = pictures()
    changed = frames.copy()
    changed[-1, -1, -1, 2] += np.float32(1e-3)
    others = [
        clip_of_frames(changed, RATE),
        clip_of_frames(frames, NTSC),
        clip_of_frames(frames[:-1], RATE),
        clip_of_frames(frames.reshape(12, 96, 64, 3), RATE),
        clip_of_frames(frames[:1], RATE),
    ]
    digests = {clip.digest for clip, _ in [clip_of_frames(frames, RATE), *others]}
    assert len(digests) == 6
    sounds = [
        recording_of_samples(samples(), SPEECH_RATE),
        recording_of_samples(samples(), 22_050),
        recording_of_samples(samples(0.2, channels=2).reshape(1, 1, -1), SPEECH_RATE),
        recording_of_samples(samples(0.2, channels=2), SPEECH_RATE),
    ]
    assert len({recording.digest for recording, _ in sounds}) == 4


def test_a_digest_is_the_same_in_every_process(tmp_path: Path) -> None:
    program = (
        "import sys, numpy as np; from fractions import Fraction\n"
        "from viseme.jobs.unwritten import clip_of_frames\n"
        "frames = np.arange(2 * 4 * 6 * 3, dtype=np.float64).reshape(2, 4, 6, 3) / 200\n"
        "print(clip_of_frames(frames, Fraction(25))[0].digest, 'torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    frames = torch.arange(2 * 4 * 6 * 3).reshape(2, 4, 6, 3) / 200
    assert done.stdout.split() == [clip_of_frames(frames, RATE)[0].digest, "False"]


def test_the_mark_of_a_plan_is_the_one_its_job_has(desk: Desk) -> None:
    planned = desk.wish(pictures())

    async def mark() -> str:
        return job_mark(planned, desk.place, await sandbox_at(desk.box.control, desk.home))

    assert desk.buy(planned).job.fingerprint == asyncio.run(mark())


# As it is described


def written(clip: Clip, write: Any, folder: Path) -> Clip:
    found: Clip = write(folder, never)
    assert found.path.parent == folder
    even = (clip.width + clip.width % 2, clip.height + clip.height % 2)
    for name in ("digest", "container", "codec", "pixel_format", "frame_rate", "frame_count"):
        assert getattr(found, name) == getattr(clip, name), name
    for name in ("is_still", "has_alpha", "is_constant_rate", "start_seconds", "sound"):
        assert getattr(found, name) == getattr(clip, name), name
    assert (found.width, found.height) == ((clip.width, clip.height) if clip.is_still else even)
    return found


@pytest.mark.parametrize("rate", ["25", "30000/1001", "24000/1001", "12", "1/2", "120", "17/7"])
def test_a_clip_is_written_as_it_was_described(rate: str, tmp_path: Path) -> None:
    clip, write = clip_of_frames(pictures(7), Fraction(rate))
    assert clip.frame_rate == Fraction(rate)
    written(clip, write, tmp_path)


def test_a_rate_typed_as_a_decimal_number_is_the_exact_one() -> None:
    assert clip_of_frames(pictures(), Fraction(29.97))[0].frame_rate == NTSC
    assert clip_of_frames(pictures(), Fraction("23.976"))[0].frame_rate == Fraction(24000, 1001)


def test_an_odd_size_is_padded_and_told(desk: Desk) -> None:
    finished = desk.buy(desk.wish(pictures(height=145, width=177)))
    assert steps(finished, "video") == [
        "encoded 12 frames from memory as H.264",
        "padded 177x145 to 178x146",
    ]
    (told,) = (text for text in finished.receipt["warnings"] if "was sent at" in text)
    assert "178x146, not 177x145 (encoded 12 frames from memory as H.264; padded" in told
    assert finished.receipt["timing"]["predicted"]["width"] == 178


def test_alpha_is_dropped_and_told_and_nan_is_black(tmp_path: Path) -> None:
    frames = pictures(channels=4)
    frames[:, :32] = np.nan
    frames[:, 32:, :48] = 7.0
    frames[:, 32:, 48:] = -np.inf
    clip, write = clip_of_frames(frames, RATE)
    assert write.steps == ("encoded 12 frames from memory as H.264", "dropped alpha")
    found = decode_frames(written(clip, write, tmp_path))
    assert found[:, 4:28].max() < 0.05
    assert found[:, 36:60, 4:44].min() > 0.95
    assert found[:, 36:60, 52:].max() < 0.05


def test_one_frame_is_a_still_without_loss_that_pipio_takes(desk: Desk, tmp_path: Path) -> None:
    frames = np.random.default_rng(1).random((1, 33, 47, 4), np.float32)
    clip, write = clip_of_frames(frames, RATE)
    assert clip.digest == clip_of_frames(frames, NTSC)[0].digest
    (found,) = iterate_frames(written(clip, write, tmp_path))
    assert np.array_equal(found, np.floor(frames[0, ..., :3] * 255 + np.float32(0.5)))
    finished = desk.buy(desk.wish(frames, endpoint="fal-pipio"))
    assert steps(finished, "video") == ["encoded one frame from memory as PNG", "dropped alpha"]
    with pytest.raises(InputError, match="still"):
        desk.wish(frames)


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_sound_is_written_as_it_was_described(channels: int, tmp_path: Path) -> None:
    recording, write = recording_of_samples(samples(channels=channels), SPEECH_RATE)
    found: Recording = write(tmp_path, never)
    for name in ("digest", "container", "sound", "size_bytes", "has_video"):
        assert getattr(found, name) == getattr(recording, name), name
    assert found.sound.channels == min(channels, 2)
    assert ("mixed 6 channels down to 2" in write.steps) is (channels == 6)


def test_sound_is_written_to_the_bit_silence_nan_and_too_loud(tmp_path: Path) -> None:
    wave = samples()
    wave[0, 0, 10:20] = np.nan
    wave[0, 0, 20:30] = 3.0
    _, write = recording_of_samples(torch.from_numpy(wave), SPEECH_RATE)
    found, rate = decode_sound(write(tmp_path, never).path)
    assert rate == SPEECH_RATE
    assert np.all(found[0, 0, 10:20] == 0)
    assert np.all(found[0, 0, 20:30] > 0.999)
    assert np.abs(found[0, 0, 30:] - wave[0, 0, 30:]).max() <= 1 / 32768
    quiet, write = recording_of_samples(np.zeros((1, 2, 5), np.float32), SPEECH_RATE)
    assert write(tmp_path, never).sound == quiet.sound


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_was_written_is_read_to_be_counted_and_not_again_for_a_digest(tmp_path: Path) -> None:
    def bytes_read() -> int:
        return int(Path("/proc/self/io").read_text().split("rchar:")[1].split()[0])

    pixels = np.random.default_rng(3).random((1, 240, 320, 3), np.float32)
    frames = np.concatenate([np.roll(pixels, 7 * index, axis=2) for index in range(30)])
    ways: list[tuple[Any, float]] = [
        (clip_of_frames(frames, RATE), 2),  # also to put its index in front
        (recording_of_samples(samples(60), SPEECH_RATE), 1),
    ]
    for (described, write), times in ways:
        write(tmp_path, never)  # imports what it takes
        before = bytes_read()
        found = write(tmp_path, never)
        assert found.size_bytes > 300_000
        assert bytes_read() - before < (times + 0.5) * found.size_bytes
        assert found.digest == described.digest


# Refused


def test_what_was_written_is_read_within_the_limits(tmp_path: Path) -> None:
    limits = MediaLimits(max_bytes=500)
    writes: list[Any] = [
        clip_of_frames(pictures(), RATE, limits=limits)[1],
        recording_of_samples(samples(), SPEECH_RATE, limits=limits)[1],
    ]
    for write in writes:
        with pytest.raises(MediaTooLarge, match="500"):
            write(tmp_path, never)


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((0, 8, 8, 3), np.float32),
        np.zeros((2, 0, 8, 3), np.float32),
        np.zeros((2, 8, 0, 3), np.float32),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((2, 8, 8, 1), np.float32),
        np.zeros((2, 8, 8, 5), np.float32),
        np.zeros((2, 8, 8, 3), np.int64),
        torch.zeros((2, 8, 8, 3), dtype=torch.bool),
        "a string",
        None,
    ],
)
def test_what_is_no_batch_of_frames_is_refused_for_media(frames: Any) -> None:
    with pytest.raises(InputError) as caught:
        clip_of_frames(frames, RATE)
    assert caught.value.field == "media"
    assert caught.value.remedy


def test_what_is_too_large_is_refused_before_it_is_read() -> None:
    limits = MediaLimits(max_frames=10, max_pixels=1000, max_seconds=3)
    one = np.zeros((1, 1, 1, 1), np.float32)
    shapes: list[tuple[int, ...]] = [(11, 8, 8, 3), (2, 40, 40, 3), (2, 2, 16_386, 3), (9, 8, 8, 3)]
    for shape in shapes:
        with pytest.raises(MediaTooLarge) as caught:
            clip_of_frames(np.broadcast_to(one, shape), Fraction(2), limits=limits)
        assert caught.value.field == "media"
    with pytest.raises(MediaTooLarge) as caught:
        recording_of_samples(np.broadcast_to(one[0], (1, 1, 4001)), 1000, limits=limits)
    assert caught.value.field == "audio"


@pytest.mark.parametrize("rate", [Fraction(0), Fraction(-5), Fraction(1001)])
def test_a_rate_that_is_none_is_refused_for_source_fps(rate: Fraction) -> None:
    with pytest.raises(InputError) as caught:
        clip_of_frames(pictures(), rate)
    assert caught.value.field == "source_fps"


@pytest.mark.parametrize(
    ("waveform", "rate", "word"),
    [
        (np.zeros((2, 1, 9), np.float32), 16_000, "batch"),
        (np.zeros((1, 1, 0), np.float32), 16_000, "empty"),
        (np.zeros((0, 1, 9), np.float32), 16_000, "empty"),
        (np.zeros((1, 9, 2), np.float32), 16_000, "channels"),
        (np.zeros((9,), np.float32), 16_000, "shape"),
        (np.zeros((1, 1, 9), np.int16), 16_000, "float32"),
        (np.zeros((1, 1, 9), np.float32), 0, "samples a second"),
        ("a string", 16_000, "str"),
    ],
)
def test_what_is_no_recording_is_refused_for_audio(waveform: Any, rate: int, word: str) -> None:
    with pytest.raises(InputError, match=word) as caught:
        recording_of_samples(waveform, rate)
    assert caught.value.field == "audio"
    assert caught.value.remedy


def test_hashing_stops_when_asked() -> None:
    with pytest.raises(Interrupted):
        clip_of_frames(pictures(), RATE, cancel=lambda: True)
    with pytest.raises(Interrupted):
        recording_of_samples(samples(), SPEECH_RATE, cancel=lambda: True)


def test_a_still_that_is_stopped_is_not_written(tmp_path: Path) -> None:
    _, write = clip_of_frames(pictures(1), RATE)
    with pytest.raises(Interrupted):
        write(tmp_path, lambda: True)
    assert list(tmp_path.iterdir()) == []


# Windows


def test_a_window_of_all_frames_is_the_clip_itself(media: Media) -> None:
    clip = probe_clip(media.clip(sound_seconds=0.6))
    for start, duration in ((0, None), (0, 100), (0, Fraction(12, 25)), (0, Fraction("0.4801"))):
        window, write = clip_window(
            clip, Fraction(start), None if duration is None else Fraction(duration)
        )
        assert window is clip
        assert write is None


# What get_components() of ComfyUI 0.25 and 0.33 keeps of clips of 60 frames.
@pytest.mark.parametrize(
    ("name", "rate", "start", "duration", "first", "last"),
    [
        ("a.mp4", RATE, 0.28, 0.12, 7, 10),
        ("a.mp4", RATE, 1 / 3, 1 / 3, 9, 17),
        ("a.mp4", RATE, 1.234, 100.0, 31, 60),
        ("a.mp4", NTSC, 0.033, 0.034, 1, 3),
        ("a.mp4", NTSC, 0.0417, 0.0834, 2, 4),
        ("a.mkv", Fraction(30), 0.033, 0.034, 1, 2),
        ("a.mkv", Fraction(30), 0.1, 0.2, 3, 9),
        ("a.mkv", Fraction(24000, 1001), 0.034, 0.066, 1, 3),
        ("a.mkv", Fraction(24000, 1001), 0.7, 1.1, 17, 44),
    ],
)
def test_a_window_keeps_the_frames_that_the_host_keeps(
    name: str,
    rate: Fraction,
    start: float,
    duration: float,
    first: int,
    last: int,
    media: Media,
    tmp_path: Path,
) -> None:
    clip = probe_clip(media.clip(name, frames=60, rate=rate, sound_seconds=2.4))
    window, write = clip_window(clip, Fraction(start), Fraction(duration))
    assert write is not None
    assert window.frame_count == last - first
    found = decode_frames(written(window, write, tmp_path))
    expected = decode_frames(clip, start=first, stop=last)
    assert np.abs(found.mean((1, 2, 3)) - expected.mean((1, 2, 3))).max() < 0.02


def begun_at(path: Path, rate: Fraction, first: int) -> Path:
    """30 frames, the first of which is shown as if ``first`` others had been before it."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=rate, options={"g": "5", "bf": "2"})
        video.width, video.height, video.pix_fmt = 16, 16, "yuv420p"
        for number in range(30):
            picture = av.VideoFrame.from_ndarray(np.full((16, 16, 3), number, np.uint8))
            picture.pts, picture.time_base = first + number, 1 / rate
            out.mux(video.encode(picture))
        out.mux(video.encode(None))
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[Fraction, int], Clip]:
    folder = tmp_path_factory.mktemp("windows")
    return {
        (rate, first): probe_clip(begun_at(folder / f"{rate.numerator}-{first}.mp4", rate, first))
        for rate in (RATE, NTSC)
        for first in (0, 13)
    }


@settings(max_examples=150)
@given(
    rate=st.sampled_from([RATE, NTSC]),
    first=st.sampled_from([0, 13]),
    start=st.floats(0, 1.8),
    duration=st.floats(0.001, 1.5),
)
def test_a_window_keeps_just_the_frames_that_begin_in_it(
    rate: Fraction,
    first: int,
    start: float,
    duration: float,
    clips: dict[tuple[Fraction, int], Clip],
) -> None:
    ends = (Fraction(start), Fraction(start) + Fraction(duration))
    times = [(first + number) / rate for number in range(30)]
    tick = Fraction(1, 800)  # mp4 tells the beginning of its first frame to the millisecond
    assume(all(abs(end - time) > tick for end in ends for time in times))
    kept = [number for number, time in enumerate(times) if ends[0] <= time < ends[1]]
    clip = clips[rate, first]
    if not kept:
        with pytest.raises(InputError) as caught:
            clip_window(clip, Fraction(start), Fraction(duration))
        assert caught.value.field == "media"
        return
    window, write = clip_window(clip, Fraction(start), Fraction(duration))
    assert window.frame_count == len(kept)
    assert (write is None) is (len(kept) == 30)
    if write is not None:
        is_copied = can_cut(clip, "mp4", (kept[0], kept[-1] + 1))
        how = "copied as they are coded" if is_copied else "encoded as H.264"
        assert write.steps == (f"cut to its frames {kept[0]} to {kept[-1]}, {how}",)


def test_a_window_that_begins_with_a_key_picture_is_copied_and_told(
    desk: Desk, media: Media, tmp_path: Path
) -> None:
    clip = probe_clip(media.clip(frames=20, sound_seconds=0.8))
    speech = probe_speech(media.speech())
    last = next(stop for stop in range(19, 0, -1) if can_cut(clip, "mp4", (0, stop)))
    window, write = clip_window(clip, Fraction(0), last / clip.frame_rate)
    assert write is not None
    plan = make_plan(Wish("fal-sync", {}, window, speech, write_footage=write), Settings())
    finished = desk.buy(plan)
    assert steps(finished, "video") == [
        f"cut to its frames 0 to {last - 1}, copied as they are coded",
        "copied its aac sound as it is coded",
    ]
    copied = write(tmp_path, lambda: False)
    assert np.array_equal(decode_frames(copied), decode_frames(clip, stop=last))


HDR = "its HDR colours (HLG) were not converted: they may look flat"


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("a.mp4", {"turned": 90}, ["turned upright by 90 degrees"]),
        ("a.mp4", {"stamps_ms": [0, 40, 80, 200, 240, 280]}, ["made constant at 25 fps"]),
        ("a.mp4", {"size": (65, 49), "pixel_format": "yuv444p"},
         ["padded 65x49 to 66x50", "encoded yuv444p as 8-bit 4:2:0"]),
        ("a.mkv", {"codec": "ffv1", "pixel_format": "yuva420p", "alpha": True},
         ["dropped alpha"]),
        ("a.mp4", {"pixel_format": "yuv420p10le", "transfer": 18, "sound": (48000, 1, 1.0)},
         ["encoded yuv420p10le as 8-bit 4:2:0", HDR, "encoded its aac sound anew"]),
        ("a.mov", {"sound": (48000, 2, 1.0), "sound_codec": "pcm_s16le"},
         ["encoded its pcm_s16le sound as aac"]),
        ("a.mkv", {"sound": (48000, 7, 1.0)},
         ["encoded its aac sound anew", "mixed 7 channels down to 2"]),
    ],
)  # fmt: skip
def test_all_that_is_done_to_the_frames_and_sound_of_a_window_is_told(
    name: str, options: dict[str, Any], told: list[str], tmp_path: Path
) -> None:
    make, options = MediaMaker(tmp_path), dict(options)
    turned = options.pop("turned", None)
    path = make.clip(name, **options) if turned is None else make.turned(turned, name)
    window, write = clip_window(probe_clip(path), Fraction(1, 25), Fraction(3, 25))
    assert write is not None
    written(window, write, tmp_path / "out")
    for _ in range(2):  # written once more, it is told once all the same
        assert write.steps[0].endswith(", encoded as H.264")
        assert list(write.steps[1:]) == told
        write(tmp_path / "out", never)


def test_windows_differ_by_their_frames_and_not_by_how_they_were_named(media: Media) -> None:
    clip = probe_clip(media.clip())
    tenth, more = Fraction(1, 10), Fraction(11, 100)
    same = {clip_window(clip, start, None)[0].digest for start in (tenth, more)}
    assert len(same) == 1
    others = {clip_window(clip, Fraction(1, 5), None)[0].digest, clip.digest}
    others.add(clip_window(clip, tenth, Fraction(1, 10))[0].digest)
    assert len(others | same) == 4


def test_a_window_is_bought_once_and_told(desk: Desk, media: Media) -> None:
    clip = probe_clip(media.clip(frames=20, sound_seconds=0.8))
    speech = probe_speech(media.speech())

    def wish() -> Planned:
        window, write = clip_window(clip, Fraction(1, 5), Fraction(2, 5))
        return make_plan(Wish("fal-sync", {}, window, speech, write_footage=write), Settings())

    finished = desk.buy(wish())
    assert steps(finished, "video") == [
        "cut to its frames 5 to 14, encoded as H.264",
        "encoded its aac sound anew",
    ]
    assert steps(finished, "audio") == ["passed through untouched"]
    assert desk.buy(wish()).reused
    assert len(desk.box.charges()) == 1


# With an edit plan

CUT = {"edits": {"unit": "frames", "removals": [{"from": 2, "to": 4}]}}


def test_an_edit_plan_cuts_sound_in_memory_and_the_own_sound_of_a_window(
    desk: Desk, media: Media
) -> None:
    finished = desk.buy(desk.wish(pictures(), endpoint="fal-pipio", arguments=CUT))
    assert steps(finished, "audio") == [
        "wrote 6400 samples from memory as WAV",
        "cut along the edit plan",
    ]
    clip = probe_clip(media.clip(frames=20, sound_seconds=0.8))
    window, write = clip_window(clip, Fraction(1, 5), Fraction(2, 5))
    own, write_own = own_sound_of(window, write)
    wish = Wish("fal-pipio", CUT, window, own, write_footage=write, write_speech=write_own)
    finished = desk.buy(make_plan(wish, desk.place.settings))
    assert steps(finished, "audio") == [
        "wrote the sound of the window as WAV",
        "cut along the edit plan",
    ]
    assert len(desk.box.charges()) == 2


def test_the_own_sound_of_a_window_is_that_of_its_frames(media: Media, tmp_path: Path) -> None:
    clip = probe_clip(media.clip(frames=20, sound_seconds=0.8))
    window, write = clip_window(clip, Fraction(1, 5), Fraction(2, 5))
    recording, write_sound = own_sound_of(window, write)
    assert write_sound is not None
    found: Recording = write_sound(tmp_path, never)
    assert (found.digest, found.sound) == (recording.digest, recording.sound)
    stop = Fraction(3, 5)
    expected, _ = decode_sound(clip, start_seconds=Fraction(1, 5), stop_seconds=stop)
    assert np.abs(decode_sound(found.path)[0] - expected).max() <= 1 / 32768
    silent, write = clip_of_frames(pictures(), RATE)
    with pytest.raises(InputError) as caught:
        own_sound_of(silent, write)
    assert caught.value.field == "audio"


# Interrupted, killed


def test_an_interrupt_while_encoding_buys_nothing_and_the_next_run_does(desk: Desk) -> None:
    frames = noise()
    token = CancelToken()

    async def interrupted() -> None:
        buying = asyncio.ensure_future(desk.buying(desk.wish(frames), Watch(token)))
        while not desk.left_in_work():
            assert not buying.done()
            await asyncio.sleep(0.005)
        token.cancel()
        await buying

    with pytest.raises(Interrupted):
        asyncio.run(interrupted())
    assert desk.states() == [State.CANCELLED]
    assert desk.box.calls("submit") == []
    assert desk.left_in_work() == []
    assert not desk.buy(desk.wish(frames)).reused
    assert len(desk.box.charges()) == 1


KILLED = """
import asyncio
from pathlib import Path
import numpy as np
from fractions import Fraction
from viseme.home import Home
from viseme.jobs.destination import sandbox_at
from viseme.jobs.run import run
from viseme.jobs.unwritten import clip_of_frames, recording_of_samples
from viseme.jobs.wish import Wish, make_plan
from viseme.jobs.workplace import Watch, Workplace
from viseme.ledger import Ledger
from viseme.settings import Settings
home = Home(Path({home!r})).create()
one = np.random.default_rng(3).random((1, 240, 320, 3), np.float32)
clip, write = clip_of_frames(np.broadcast_to(one, ({count}, 240, 320, 3)), Fraction(25))
count = np.arange(6400, dtype=np.float32)
wave = np.tile(np.sin(count * 0.1) * np.float32(0.5), (1, 1, 1))
speech, write_speech = recording_of_samples(wave, 16000)
wish = Wish(
    "fal-sync", {{}}, clip, speech, write_footage=write, write_speech=write_speech
)
async def buy():
    place = Workplace(home, Settings(), Ledger.open(home.ledger))
    await run(make_plan(wish, Settings()), place, await sandbox_at({control!r}, home), Watch())
asyncio.run(buy())
"""


def test_after_a_crash_the_graph_goes_on_with_the_same_job(desk: Desk, quick: Any) -> None:
    program = KILLED.format(control=desk.box.control, home=str(desk.home.root), count=NOISE_COUNT)
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[2]
    ) as process:
        while not desk.left_in_work():
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    (job,) = desk.ledger.list()
    assert job.state is State.PLANNED

    refused = quick("resume", job.id, "--sandbox", desk.box.control)
    assert refused.code == 2
    assert "Nothing was bought." in refused.complaint
    assert "Run the graph again" in refused.complaint

    finished = desk.buy(desk.wish(noise()))
    assert finished.job.id == job.id
    assert len(desk.box.charges()) == 1
    assert desk.left_in_work() == []


def test_a_job_in_doubt_of_a_graph_is_given_up_and_run_anew(
    home: Path, sandbox: Box, quick: Any
) -> None:
    quick.settings(listing_visibility={"fal": 0, "aimlapi": 0, "runware": 0})
    desk = Desk(home, sandbox)
    sandbox.fault("drop-after-accept", count=1)
    sandbox.fault("lookup-hidden")
    with pytest.raises(OutcomeUnknown):
        desk.buy(desk.wish(pictures()))
    (job,) = desk.ledger.list()
    assert job.order["video"]["unwritten"] == "frames.mp4"

    refused = quick("resubmit", job.id, "--sandbox", sandbox.control)
    assert refused.code == 2
    assert f"discard {job.id}" in refused.complaint
    assert "second charge" in refused.complaint
    assert desk.states() == [State.UNKNOWN]
    assert len(sandbox.charges()) == 1

    assert quick("discard", job.id).code == 0
    assert not desk.buy(desk.wish(pictures())).reused
    assert len(sandbox.charges()) == 2
    desk.ledger.close()


MEASURED = """
import sys, resource
from fractions import Fraction
from pathlib import Path
import numpy as np
from viseme.jobs.unwritten import clip_of_frames
one = np.random.default_rng(3).random((1, 240, 320, 3), np.float32)
def made(count):
    clip, write = clip_of_frames(np.broadcast_to(one, (count, 240, 320, 3)), Fraction(25))
    write(Path(sys.argv[1]), lambda: False)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
few = made(80)
print(made(400) - few)
"""


def test_the_memory_that_encoding_takes_does_not_grow_with_the_frames(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert int(done.stdout) < 24 * 1024  # KiB; the frames are 360 MiB
