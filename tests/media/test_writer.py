from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from viseme.errors import InputError, Interrupted
from viseme.media import (
    ClipWriter,
    EncodeSettings,
    decode_frames,
    decode_sound,
    encode_clip,
    probe_clip,
    replace_sound,
)
from viseme.media.pixels import FrameBytes

RATE = Fraction(30000, 1001)


@pytest.mark.parametrize(
    ("container", "codec", "sound_codec"),
    [("mp4", "h264", "aac"), ("mov", "h264", "aac"), ("webm", "vp9", "opus")],
)
def test_what_is_written_is_what_is_read(
    tmp_path: Path, container: str, codec: str, sound_codec: str
) -> None:
    path = tmp_path / f"out.{container}"
    rng = np.random.default_rng(3)
    blocks = rng.random((9, 6, 8, 3), np.float32).repeat(8, 1).repeat(8, 2)
    waveform = np.zeros((1, 2, 14414), np.float32)
    encode_clip(path, blocks, RATE, (waveform, 48000), container=container)
    clip = probe_clip(path)
    assert (clip.container, clip.codec, clip.frame_count) == (container, codec, 9)
    assert (clip.frame_rate, clip.is_constant_rate) == (RATE, True)
    assert clip.sound is not None
    assert (clip.sound.codec, clip.sound.channels) == (sound_codec, 2)
    assert (clip.sound.sample_count, clip.sound.start_seconds) == (14414, Fraction(0))
    assert np.abs(decode_frames(clip) - blocks).mean() < 0.05


@pytest.mark.parametrize("size", [(65, 49), (64, 49), (65, 48), (1, 1)])
def test_odd_sizes_are_padded_by_repeating_the_edge(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    ramp = np.linspace(0, 1, width, dtype=np.float32)[None, None, :, None]
    frames = np.broadcast_to(ramp, (2, height, width, 3))
    encode_clip(tmp_path / "odd.mp4", frames, Fraction(25), settings=EncodeSettings(crf=4))
    clip = probe_clip(tmp_path / "odd.mp4")
    assert (clip.width, clip.height) == (width + width % 2, height + height % 2)
    whole = decode_frames(clip)
    if width % 2:
        assert np.abs(whole[:, :, -1] - whole[:, :, -2]).max() < 0.05
    cropped = decode_frames(clip, crop_to=size)
    assert cropped.shape == frames.shape
    assert np.abs(cropped - frames).max() < 0.06


def test_bytes_are_rounded_half_up_and_wild_values_clamped() -> None:
    values = np.array([np.nan, np.inf, -np.inf, -0.1, 1.5, 0.5, 127.5 / 255, 127.49 / 255])
    frame = np.repeat(values.astype(np.float32)[None, :, None], 3, axis=2)
    pixels = FrameBytes(8, 1).from_floats(frame)
    assert pixels[0, :, 0].tolist() == [0, 255, 0, 0, 255, 128, 128, 127]
    exact = np.arange(256, dtype=np.float32)[None, :, None].repeat(3, 2) / 255
    assert FrameBytes(256, 1).from_floats(exact)[0, :, 0].tolist() == list(range(256))


def test_float_to_byte_has_no_bias() -> None:
    frame = np.random.default_rng(5).random((500, 500, 3), np.float32)
    pixels = FrameBytes(500, 500).from_floats(frame)
    assert abs(float((pixels - frame * 255.0).mean())) < 0.01


def test_alpha_is_dropped_and_chunks_of_tensors_are_taken(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    chunks = [torch.full((3, 48, 64, 4), 0.5), torch.full((2, 48, 64, 4), 0.5).half()]
    sound = (torch.zeros(1, 1, 8000), 8000)
    encode_clip(tmp_path / "t.mp4", iter(chunks), Fraction(5), sound)
    clip = probe_clip(tmp_path / "t.mp4")
    assert (clip.frame_count, clip.has_alpha) == (5, False)
    assert abs(float(decode_frames(clip).mean()) - 0.5) < 0.01


def test_the_file_is_tagged(tmp_path: Path) -> None:
    for container in ("mp4", "webm"):
        path = tmp_path / f"a.{container}"
        encode_clip(path, np.zeros((3, 48, 64, 3), np.float32), RATE, container=container)
        with av.open(str(path)) as file:
            picture = next(file.decode(video=0))
            assert picture.colorspace == 1 and picture.color_range == 1
            if hasattr(picture, "color_primaries"):  # not in PyAV 16
                assert picture.color_primaries == 1 and picture.color_trc == 1
            assert picture.format.name == "yuv420p"


def test_sound_keeps_its_place_and_length(tmp_path: Path) -> None:
    for sample_rate in (8000, 44100, 48000, 96000):
        samples = np.zeros((1, sample_rate + 77), np.float32)
        samples[0, sample_rate // 2] = 0.9
        path = tmp_path / f"{sample_rate}.mp4"
        frames = np.zeros((25, 48, 64, 3), np.float32)
        encode_clip(path, frames, Fraction(25), (samples, sample_rate))
        back, rate = decode_sound(probe_clip(path))
        assert rate == sample_rate
        assert back.shape[2] == sample_rate + 77
        assert abs(int(np.abs(back[0, 0]).argmax()) - sample_rate // 2) <= 1


def test_nothing_appears_before_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_bytes(b"before")
    frame = np.zeros((48, 64, 3), np.uint8)
    with pytest.raises(KeyError), ClipWriter(path, width=64, height=48, frame_rate=RATE) as writer:
        writer.write_frame(frame)
        assert path.read_bytes() == b"before"
        raise KeyError
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]
    assert path.read_bytes() == b"before"


def test_wrong_use_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with (
        pytest.raises(InputError, match="no frames"),
        ClipWriter(path, width=64, height=48, frame_rate=RATE),
    ):
        pass
    with (
        pytest.raises(InputError, match="shape"),
        ClipWriter(path, width=64, height=48, frame_rate=RATE) as writer,
    ):
        writer.write_frame(np.zeros((48, 63, 3), np.uint8))
    with (
        pytest.raises(InputError, match="without sound"),
        ClipWriter(path, width=64, height=48, frame_rate=RATE) as writer,
    ):
        writer.write_sound(np.zeros((1, 5), np.float32))
    with pytest.raises(InputError, match="not written here"):
        ClipWriter(path, width=64, height=48, frame_rate=RATE, container="gif")
    with pytest.raises(InputError, match="no frames"):
        encode_clip(path, iter([]), RATE)
    assert list(tmp_path.iterdir()) == []


def test_writing_can_be_stopped(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        encode_clip(
            tmp_path / "a.mp4", np.zeros((3, 48, 64, 3), np.float32), RATE, cancel=lambda: True
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no file that is open can be removed there")
def test_who_stops_writing_does_not_wait_for_what_the_coder_is_at(tmp_path: Path) -> None:
    """Pictures so large, coded so carefully, take it seconds each."""
    frames = np.random.default_rng(0).integers(0, 256, (4, 2160, 3840, 3), np.uint8)
    told = 0

    def stop() -> bool:
        nonlocal told
        told += 1
        return told == len(frames)

    with pytest.raises(Interrupted):
        encode_clip(tmp_path / "a.webm", frames, RATE, container="webm", cancel=stop)
    assert list(tmp_path.iterdir()) == []
    closing = [one for one in threading.enumerate() if one.name == "viseme-close"]
    assert closing
    for thread in closing:
        thread.join()
    assert list(tmp_path.iterdir()) == []


def bytes_written() -> int:
    """By this process so far."""
    return int(Path("/proc/self/io").read_text().split("wchar:")[1].split()[0])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("way", ["encoded", "copied"])
def test_a_file_that_is_thrown_away_is_not_written_a_second_time(
    make: Any, tmp_path: Path, way: str
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 144, 176, 3), np.uint8)
    clip = probe_clip(make.clip(size=(176, 144), frames=list(noise), frame_count=60))
    folder = tmp_path / "out"
    begun = told = bytes_written()

    def stop() -> bool:
        nonlocal told
        told = bytes_written()
        return told - begun > 0.7 * clip.size_bytes

    with pytest.raises(Interrupted):
        if way == "copied":
            replace_sound(clip, None, folder / "a.mp4", cancel=stop)
        else:
            settings = EncodeSettings(preset="ultrafast", crf=2)
            encode_clip(folder / "a.mp4", noise / np.float32(255), RATE, settings=settings,
                        cancel=stop)  # fmt: skip
    assert told - begun > 0.7 * clip.size_bytes
    assert bytes_written() - told < 0.3 * clip.size_bytes
    assert list(folder.iterdir()) == []


class Watched:
    """A cancel that says yes once so many bytes are written; ``seen`` says how many were, when."""

    def __init__(self, most: int) -> None:
        self.begun = bytes_written()
        self.seen: list[int] = []
        self._most = most

    def __call__(self) -> bool:
        self.seen.append(bytes_written() - self.begun)
        return self.seen[-1] >= self._most


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("way", ["encoded", "copied"])
def test_putting_the_index_in_front_can_be_stopped_at_every_piece(
    make: Any, tmp_path: Path, way: str
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 144, 176, 3), np.uint8)
    clip = probe_clip(make.clip(size=(176, 144), frames=list(noise), frame_count=60))
    path = tmp_path / "out" / "a.mp4"
    settings = EncodeSettings(preset="ultrafast", crf=2)

    def write(cancel: Callable[[], bool]) -> None:
        if way == "copied":
            replace_sound(clip, None, path, cancel=cancel)
        else:
            encode_clip(path, noise / np.float32(255), RATE, settings=settings, cancel=cancel)

    watched = Watched(1 << 60)
    write(watched)
    data, most = path.read_bytes(), max(np.diff(watched.seen))
    assert data.index(b"moov") < data.index(b"mdat")
    # Written twice, asked all the while, and once more before the disk has to take it.
    assert watched.seen[-1] > 1.9 * len(data)
    assert most < len(data) / 3
    path.unlink()
    for share in (0.5, 1.2, 1.5, 1.8, (watched.seen[-1] - 500) / len(data)):
        stopping = Watched(int(share * len(data)))
        with pytest.raises(Interrupted):
            write(stopping)
        assert bytes_written() - stopping.begun - stopping.seen[-1] < len(data) / 3
        assert list(path.parent.iterdir()) == []


FULL_DISK = """
import json, resource, sys
from fractions import Fraction
from pathlib import Path
import numpy as np
from viseme.errors import LocalError
from viseme.media import ClipWriter, conform_clip, conform_speech, probe_clip, probe_speech
from viseme.media import write_sound
home, source = Path(sys.argv[1]), Path(sys.argv[2])
noise = np.random.default_rng(0).integers(0, 256, (144, 176, 3), np.uint8)
clip = probe_clip(source)
recording = probe_speech(source)

def frames(folder, container):
    with ClipWriter(folder / "a", width=176, height=144, frame_rate=Fraction(25),
                    container=container) as writer:
        for index in range(40):
            writer.write_frame(np.roll(noise, index * 7, 1))

ways = {
    "mp4": lambda folder: frames(folder, "mp4"),
    "webm": lambda folder: frames(folder, "webm"),
    "sound": lambda folder: write_sound(folder / "a", np.zeros((1, 90_000), np.float32), 48000,
                                        "wav"),
    "remux": lambda folder: conform_clip(clip, folder, containers={"mp4"}, codecs={"h264"}),
    "speech": lambda folder: conform_speech(recording, folder, containers={"wav"},
                                            codecs={"pcm_s16le"}),
}
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
outcomes = {}
for way, write in ways.items():
    folder = home / way
    folder.mkdir()
    try:
        write(folder)
    except LocalError as error:
        outcomes[way] = [str(error), len(list(folder.iterdir()))]
    else:
        outcomes[way] = ["no error", -1]
print(json.dumps(outcomes))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
def test_a_full_disk_is_said_and_leaves_nothing(make: Any) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 144, 176, 3), np.uint8)
    source = make.clip(
        "source.mkv", size=(176, 144), frames=list(noise), frame_count=20, sound=(48000, 1, 0.8)
    )
    command = [sys.executable, "-c", FULL_DISK, str(make.folder), str(source)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)
    assert set(outcomes) == {"mp4", "webm", "sound", "remux", "speech"}
    for way, (error, files_left) in outcomes.items():
        assert "disk is full" in error and str(make.folder / way) in error
        assert files_left == 0


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path: Path) -> None:
    from viseme.errors import LocalError

    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LocalError, match="could not be written"):
        encode_clip(tmp_path / "file" / "a.mp4", np.zeros((1, 2, 2, 3), np.float32), RATE)
