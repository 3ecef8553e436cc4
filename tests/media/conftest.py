"""Real media files, made with PyAV: every shape of clip and sound that people bring."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import av.error
import numpy as np
import pytest
from numpy.typing import NDArray

CODECS = {".mp4": "libx264", ".mov": "libx264", ".mkv": "libx264", ".webm": "libvpx-vp9"}
SOUND_CODECS = {
    ".mp4": "aac",
    ".mov": "aac",
    ".mkv": "aac",
    ".webm": "libopus",
    ".avi": "libmp3lame",
    ".wav": "pcm_s16le",
    ".flac": "flac",
    ".mp3": "libmp3lame",
    ".m4a": "aac",
    ".ogg": "libopus",
}
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 7: "6.1"}
# The display matrix's (a, b, c, d) for a clockwise turn, as phones write it.
TURNS = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
# And for mirror images: left to right, upside down, and about either diagonal.
MIRRORS = {"x": (-1, 0, 0, 1), "y": (1, 0, 0, -1), "\\": (0, 1, 1, 0), "/": (0, -1, -1, 0)}


def level(index: int) -> int:
    """The grey of frame ``index``: far enough apart to survive coding."""
    return 20 + index * 17 % 216


def grey_frame(index: int, width: int, height: int) -> NDArray[np.uint8]:
    return np.full((height, width, 3), level(index), np.uint8)


def quadrants(width: int, height: int) -> NDArray[np.uint8]:
    """Red, green, blue, white: top left, top right, bottom left, bottom right."""
    frame = np.zeros((height, width, 3), np.uint8)
    y, x = height // 2, width // 2
    frame[:y, :x], frame[:y, x:] = (200, 20, 20), (20, 200, 20)
    frame[y:, :x], frame[y:, x:] = (20, 20, 200), (235, 235, 235)
    return frame


def tone(sample_rate: int, channels: int, seconds: float) -> NDArray[np.float32]:
    """A sine that differs from channel to channel, with a click at 0.25 s."""
    time = np.arange(round(seconds * sample_rate), dtype=np.float64) / sample_rate
    rows = [0.2 * np.sin(2 * np.pi * 220 * (c + 1) * time) for c in range(channels)]
    samples = np.stack(rows).astype(np.float32)
    samples[:, sample_rate // 4 : sample_rate // 4 + 1] = 0.9
    return samples


class Asked:
    """A cancel that counts how often it is asked, and says yes to one question."""

    def __init__(self, yes_to: int = 0) -> None:
        self.count = 0
        self._yes_to = yes_to

    def __call__(self) -> bool:
        self.count += 1
        return self.count == self._yes_to


class MediaMaker:
    """Writes files into one folder; every method returns the path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def clip(
        self,
        name: str = "clip.mp4",
        *,
        size: tuple[int, int] = (64, 48),
        rate: Fraction = Fraction(25),
        frame_count: int = 10,
        codec: str | None = None,
        pixel_format: str = "yuv420p",
        stamps_ms: Sequence[int] | None = None,
        b_frames: int = 0,
        sound: tuple[int, int, float] | None = None,
        sound_codec: str | None = None,
        sound_delay_ms: int = 0,
        video_delay_ms: int = 0,
        frames: Sequence[NDArray[np.uint8]] | None = None,
        container_options: dict[str, str] | None = None,
        alpha: bool = False,
        pixel_aspect: Fraction | None = None,
        transfer: int | None = None,
    ) -> Path:
        """``sound`` is (sample_rate, channels, seconds); ``stamps_ms`` make the rate variable."""
        path = self.folder / name
        codec = codec or CODECS.get(path.suffix, "mpeg4")
        with av.open(str(path), "w", options=container_options or {}) as out:
            options = {"crf": "10", "preset": "ultrafast"} if codec == "libx264" else {}
            if codec == "libvpx-vp9":
                options = {"deadline": "realtime", "cpu-used": "8", "crf": "10", "b": "0"}
            video = out.add_stream(codec, rate=rate, options=options)
            video.width, video.height = size
            video.pix_fmt = pixel_format
            if pixel_aspect is not None:
                video.codec_context.sample_aspect_ratio = pixel_aspect
            if transfer is not None:
                video.codec_context.color_trc = transfer
            if b_frames:
                video.codec_context.max_b_frames = b_frames
            time_base = Fraction(1, 1000) if stamps_ms is not None else 1 / rate
            video.codec_context.time_base = time_base
            audio = None
            if sound is not None:
                layout = LAYOUTS[sound[1]]
                sound_codec = sound_codec or SOUND_CODECS[path.suffix]
                audio = out.add_stream(sound_codec, rate=sound[0], layout=layout)
                self._write_sound(out, audio, tone(*sound), sound[0], sound_delay_ms)
            count = len(stamps_ms) if stamps_ms is not None else frame_count
            for index in range(count):
                pixels = frames[index] if frames is not None else grey_frame(index, *size)
                if alpha:
                    pixels = np.dstack([pixels, np.full(pixels.shape[:2], 128, np.uint8)])
                frame = av.VideoFrame.from_ndarray(pixels, "rgba" if alpha else "rgb24")
                frame = frame.reformat(format=pixel_format)
                delay = round(Fraction(video_delay_ms, 1000) / time_base)
                frame.pts = delay + (stamps_ms[index] if stamps_ms is not None else index)
                frame.time_base = time_base
                out.mux(video.encode(frame))
            out.mux(video.encode(None))
            if audio is not None:
                out.mux(audio.encode(None))
        return path

    def sound(
        self,
        name: str = "speech.wav",
        *,
        sample_rate: int = 48000,
        channels: int = 1,
        seconds: float = 1.0,
        codec: str | None = None,
    ) -> Path:
        path = self.folder / name
        with av.open(str(path), "w", format="mp4" if path.suffix == ".m4a" else None) as out:
            layout = LAYOUTS[channels]
            codec = codec or SOUND_CODECS[path.suffix]
            stream = out.add_stream(codec, rate=sample_rate, layout=layout)
            self._write_sound(out, stream, tone(sample_rate, channels, seconds), sample_rate, 0)
            out.mux(stream.encode(None))
        return path

    def still(
        self,
        name: str = "still.png",
        *,
        size: tuple[int, int] = (64, 48),
        alpha: bool = False,
    ) -> Path:
        path = self.folder / name
        codec, pixel_format = {
            ".png": ("png", "rgba" if alpha else "rgb24"),
            ".jpg": ("mjpeg", "yuvj420p"),
            ".webp": ("libwebp", "yuv420p"),
        }[path.suffix]
        context = cast(av.VideoCodecContext, av.CodecContext.create(codec, "w"))
        context.width, context.height = size
        context.pix_fmt = pixel_format
        context.time_base = Fraction(1)
        frame = av.VideoFrame.from_ndarray(quadrants(*size), "rgb24").reformat(format=pixel_format)
        frame.pts, frame.time_base = 0, Fraction(1)
        packets = [*context.encode(frame), *context.encode(None)]
        path.write_bytes(b"".join(bytes(packet) for packet in packets))
        return path

    def cut_open(self, name: str) -> Path:
        """The second group of pictures of a clip; its first pictures build on the one before."""
        whole, path = self.folder / f"whole-{name}", self.folder / name
        with av.open(str(whole), "w") as out:
            options = {"x264-params": "open-gop=1:keyint=12:scenecut=0:bframes=3:b-adapt=0"}
            video = out.add_stream("libx264", rate=25, options=options)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            for index in range(24):
                out.mux(video.encode(av.VideoFrame.from_ndarray(grey_frame(index, 64, 48))))
            out.mux(video.encode(None))
        with av.open(str(whole)) as source, av.open(str(path), "w") as out:
            stream = out.add_stream_from_template(source.streams.video[0])
            packets = [packet for packet in source.demux(video=0) if packet.size]
            second = [k for k, packet in enumerate(packets) if packet.is_keyframe][1]
            for packet in packets[second:]:
                packet.stream = stream
                out.mux(packet)
        return path

    def turned(self, degrees: int, name: str = "turned.mp4", **options: object) -> Path:
        """A clip of quadrants that is to be shown turned clockwise by ``degrees``."""
        return self._with_matrix(name, TURNS[degrees], options)

    def mirrored(self, mirror: str, name: str = "mirrored.mp4", **options: object) -> Path:
        """A clip of quadrants that is to be shown as in one of ``MIRRORS``."""
        return self._with_matrix(name, MIRRORS[mirror], options)

    def _with_matrix(
        self, name: str, matrix: tuple[int, int, int, int], options: dict[str, object]
    ) -> Path:
        width, height = 64, 48
        options = {"frames": [quadrants(width, height)] * 5, "frame_count": 5} | options
        path = self.clip(name, size=(width, height), **options)  # type: ignore[arg-type]
        data = bytearray(path.read_bytes())
        at = data.index(b"tkhd") + 4 + 40
        a, b, c, d = matrix
        data[at : at + 20] = struct.pack(">5i", a << 16, b << 16, 0, c << 16, d << 16)
        path.write_bytes(data)
        return path

    def held(self, path: Path, seconds: Fraction) -> Path:
        """A copy of a clip without sound, whose end is so much later: a last picture is held."""
        target = path.with_stem(path.stem + "-held")
        with av.open(str(path)) as source, av.open(str(target), "w") as out:
            stream = out.add_stream_from_template(source.streams.video[0])
            packets = [packet for packet in source.demux(video=0) if packet.size]
            packets[-1].duration = (packets[-1].duration or 0) + round(
                seconds / packets[-1].time_base
            )
            for packet in packets:
                packet.stream = stream
                out.mux(packet)
        return target

    def hidden(self, path: Path, name: str, frame_count: int, what: str = "video") -> Path:
        """A copy whose edit list hides its first frames; the sound stays where it is.

        With ``what`` "audio" as much of the sound is hidden, and no frame.
        """
        target = self.folder / name
        with av.open(str(path)) as source, av.open(str(target), "w") as out:
            streams = {s.index: out.add_stream_from_template(s) for s in source.streams}
            rate = source.streams.video[0].average_rate
            for packet in source.demux():
                if not packet.size:
                    continue
                if packet.stream.type == what and rate is not None:
                    hidden = round(frame_count / rate / packet.time_base)
                    packet.pts, packet.dts = (packet.pts or 0) - hidden, (packet.dts or 0) - hidden
                packet.stream = streams[packet.stream_index]
                out.mux(packet)
        return target

    def before_sound_of_unknown_codec(self, path: Path, name: str) -> Path:
        """A copy in mp4 with a sound track put first that FFmpeg has no decoder for, as of AC-4."""
        other = self.sound("other.m4a", sample_rate=32000, seconds=0.5)
        target = self.folder / name
        with ExitStack() as files:
            out = files.enter_context(av.open(str(target), "w", format="mp4"))
            opened = [files.enter_context(av.open(str(file))) for file in (path, other, path)]
            sources = [opened[0].streams.video[0], *(file.streams.audio[0] for file in opened[1:])]
            streams = [out.add_stream_from_template(source) for source in sources]
            for file, source, stream in zip(opened, sources, streams, strict=True):
                for packet in file.demux(source):
                    if packet.size:
                        packet.stream = stream
                        out.mux(packet)
        data = bytearray(target.read_bytes())
        entry = data.index(b"mp4a")
        data[entry : entry + 4] = b"ac-4"
        details = data.index(b"esds", entry)
        data[details : details + 4] = b"free"
        target.write_bytes(data)
        return target

    def without_frames(self, name: str = "hollow.mkv") -> Path:
        """A picture track of which not a single frame was written, and one second of sound."""
        path = self.folder / name
        with av.open(str(path), "w") as out:
            video = out.add_stream("libx264", rate=25)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            audio = out.add_stream("aac", rate=48000, layout="mono")
            self._write_sound(out, audio, tone(48000, 1, 1.0), 48000, 0)
            out.mux(audio.encode(None))
        return path

    def with_lost_pictures(self, path: Path, *, at_the_end: bool) -> Path:
        """The file with one byte turned over so that the decoder drops pictures.

        Without a word: PyAV alone sees nothing wrong.
        """
        whole = path.read_bytes()
        with av.open(str(path)) as container:
            packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
        packets = packets[::-1] if at_the_end else packets[3:]
        every = self._decoded_stamps(path)
        for packet in packets:
            at = whole.index(packet)
            for position in range(at, at + len(packet)):
                data = bytearray(whole)
                data[position] ^= 0xFF
                path.write_bytes(data)
                left = self._decoded_stamps(path)
                lost_the_end = bool(left) and left[-1] != every[-1]
                if 0 < len(left) < len(every) and lost_the_end == at_the_end:
                    return path
        raise AssertionError("no damage is silent")

    def with_a_gap_in_its_sound(self, path: Path, name: str, gap: Fraction) -> Path:
        """A copy in which the second half of the sound comes ``gap`` seconds later."""
        target = self.folder / name
        with av.open(str(path)) as source, av.open(str(target), "w") as out:
            streams = {s.index: out.add_stream_from_template(s) for s in source.streams}
            packets = [packet for packet in source.demux() if packet.size]
            heard = [packet for packet in packets if packet.stream.type == "audio"]
            for packet in heard[len(heard) // 2 :]:
                later = round(gap / packet.time_base)
                packet.pts, packet.dts = (packet.pts or 0) + later, (packet.dts or 0) + later
            for packet in packets:
                packet.stream = streams[packet.stream_index]
                out.mux(packet)
        return target

    @staticmethod
    def _decoded_stamps(path: Path) -> list[int | None]:
        with suppress(av.error.FFmpegError), av.open(str(path)) as container:
            container.streams.video[0].thread_type = "AUTO"
            return [frame.pts for frame in container.decode(video=0)]
        return []

    def cut_off(self, path: Path, share: float = 0.6) -> Path:
        """The first part of a file, as a broken copy leaves it."""
        data = path.read_bytes()
        shorter = path.with_stem(path.stem + "-cut")
        shorter.write_bytes(data[: int(len(data) * share)])
        return shorter

    @staticmethod
    def _write_sound(
        out: av.container.OutputContainer,
        stream: av.AudioStream,
        samples: NDArray[np.float32],
        sample_rate: int,
        delay_ms: int,
    ) -> None:
        layout = LAYOUTS[samples.shape[0]]
        for at in range(0, samples.shape[1], 4096):
            piece = np.ascontiguousarray(samples[:, at : at + 4096])
            frame = av.AudioFrame.from_ndarray(piece, "fltp", layout)
            frame.sample_rate = sample_rate
            frame.time_base = Fraction(1, sample_rate)
            frame.pts = at + sample_rate * delay_ms // 1000
            out.mux(stream.encode(frame))


@pytest.fixture
def make(tmp_path: Path) -> MediaMaker:
    return MediaMaker(tmp_path)
