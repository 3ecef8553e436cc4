"""Files made hostile: mutants of real ones from a seed, playlists in disguise, and bombs."""

from __future__ import annotations

import random
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np

KINDS = ("mp4", "mov", "webm", "wav", "mp3", "m4a")
SOUNDS = frozenset({"wav", "mp3", "m4a"})
_WORDS = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
_BOXES = (
    *(b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"stts", b"ctts", b"stsc", b"stsz"),
    *(b"stco", b"elst", b"mdhd", b"mvhd", b"tkhd", b"hdlr", b"avcC", b"esds", b"mdat", b"ftyp"),
    *(b"moof", b"traf", b"trun", b"tfhd", b"dref", b"dinf", b"RIFF", b"fmt ", b"data", b"LIST"),
)


def sources(folder: Path) -> dict[str, list[Path]]:
    """Two small sound files of each kind, differing in codec or structure, to be mutated."""
    clips = {
        "mp4": [
            _clip(folder / "a.mp4", "libx264", "aac"),
            _clip(folder / "b.mp4", "mpeg4", "aac", {"movflags": "frag_keyframe+empty_moov"}),
        ],
        "mov": [
            _clip(folder / "a.mov", "libx264", "pcm_s16le"),
            _clip(folder / "b.mov", "mjpeg", "aac"),
        ],
        "webm": [
            _clip(folder / "a.webm", "libvpx-vp9", "libopus"),
            _clip(folder / "b.webm", "libvpx", "libopus"),
        ],
    }
    sounds = {
        "wav": [_sound(folder / "a.wav", "pcm_s16le"), _sound(folder / "b.wav", "pcm_f32le")],
        "mp3": [_sound(folder / "a.mp3", "libmp3lame")],
        "m4a": [_sound(folder / "a.m4a", "aac"), _sound(folder / "b.m4a", "alac")],
    }
    return clips | sounds


def _clip(
    path: Path, codec: str, sound_codec: str, container_options: dict[str, str] | None = None
) -> Path:
    pixel_format = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    with av.open(str(path), "w", options=container_options or {}) as out:
        video = out.add_stream(codec, rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, pixel_format
        if codec == "libx264":
            video.options = {"preset": "veryfast", "bf": "2", "g": "8"}
        sound = out.add_stream(sound_codec, rate=48000, layout="stereo")
        for index in range(20):
            pixels = np.full((48, 64, 3), 40 + index * 8, np.uint8)
            pixels[index : index + 12, index : index + 20] = (200, 30, 60)
            out.mux(video.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        out.mux(video.encode(None))
        _write_tone(out, sound)
    return path


def _sound(path: Path, codec: str) -> Path:
    with av.open(str(path), "w", format="mp4" if path.suffix == ".m4a" else None) as out:
        _write_tone(out, out.add_stream(codec, rate=48000, layout="stereo"))
    return path


def _write_tone(out: av.container.OutputContainer, stream: av.AudioStream) -> None:
    wave = (0.3 * np.sin(np.arange(38400) / 20)).astype(np.float32)
    wanted = stream.codec_context.format.name if stream.codec_context.format else "fltp"
    resampler = av.AudioResampler(wanted, "stereo", 48000)
    for at in range(0, len(wave), 4800):
        frame = av.AudioFrame.from_ndarray(np.stack([wave[at : at + 4800]] * 2), "fltp", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48000, at, Fraction(1, 48000)
        for piece in resampler.resample(frame):
            out.mux(stream.encode(piece))
    out.mux(stream.encode(None))


@dataclass(frozen=True)
class Mutator:
    """Mutants of some files: number ``n`` of a seed is always the same bytes."""

    kind: str
    originals: tuple[bytes, ...]
    seed: int

    def mutant(self, number: int) -> bytes:
        chance = random.Random(f"{self.seed}/{self.kind}/{number}")
        data = bytearray(self.originals[number % len(self.originals)])
        for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
            change = chance.choice(_CHANGES)
            change(data, chance, self.originals)
            if not data:
                data = bytearray(b"\0")
        return bytes(data)


def _place(data: bytearray, chance: random.Random) -> int:
    """Anywhere, but more often where structure is: at the ends and at names of boxes."""
    way = chance.random()
    if way < 0.3:
        return chance.randrange(min(len(data), 512))
    if way < 0.4:
        return len(data) - 1 - chance.randrange(min(len(data), 256))
    if way < 0.75:
        at = data.find(chance.choice(_BOXES))
        if at >= 0:
            return min(max(at - 4 + chance.randrange(40), 0), len(data) - 1)
    return chance.randrange(len(data))


def _flip_bits(data: bytearray, chance: random.Random, _others: tuple[bytes, ...]) -> None:
    for _ in range(chance.choice((1, 2, 8, 64))):
        data[_place(data, chance)] ^= 1 << chance.randrange(8)


def _set_word(data: bytearray, chance: random.Random, _others: tuple[bytes, ...]) -> None:
    at, size = _place(data, chance), chance.choice((1, 2, 4, 4, 8))
    order: Literal["big", "little"] = "big" if chance.random() < 0.5 else "little"
    old = int.from_bytes(data[at : at + size], order)
    value = chance.choice((*_WORDS, old + 1, old - 1, old * 2, old // 2, chance.getrandbits(64)))
    data[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, order)


def _overwrite(data: bytearray, chance: random.Random, _others: tuple[bytes, ...]) -> None:
    at, size = _place(data, chance), chance.choice((4, 16, 100, 1000))
    filler = chance.choice((b"\0", b"\xff", chance.randbytes(7)))
    data[at : at + size] = (filler * size)[: len(data[at : at + size])]


def _cut_off(data: bytearray, chance: random.Random, _others: tuple[bytes, ...]) -> None:
    del data[_place(data, chance) :]


def _remove(data: bytearray, chance: random.Random, _others: tuple[bytes, ...]) -> None:
    at = _place(data, chance)
    del data[at : at + chance.choice((1, 4, 8, 100, 2000))]


def _repeat(data: bytearray, chance: random.Random, _others: tuple[bytes, ...]) -> None:
    at, to = _place(data, chance), _place(data, chance)
    data[to:to] = bytes(data[at : at + chance.choice((1, 4, 8, 100, 2000))]) * chance.choice((1, 3))


def _insert(data: bytearray, chance: random.Random, _others: tuple[bytes, ...]) -> None:
    at = _place(data, chance)
    data[at:at] = chance.randbytes(chance.choice((1, 4, 8, 64)))


def _splice(data: bytearray, chance: random.Random, others: tuple[bytes, ...]) -> None:
    other = chance.choice(others)
    at, start = _place(data, chance), chance.randrange(len(other))
    size = chance.choice((16, 200, 3000))
    data[at : at + size] = other[start : start + size]


def _swap(data: bytearray, chance: random.Random, _others: tuple[bytes, ...]) -> None:
    one, two, size = _place(data, chance), _place(data, chance), chance.choice((4, 8, 200))
    if abs(one - two) >= size:
        first, second = bytes(data[one : one + size]), bytes(data[two : two + size])
        data[one : one + len(first)], data[two : two + len(second)] = second, first


_CHANGES = (
    *(_flip_bits, _flip_bits, _set_word, _set_word, _set_word, _overwrite, _cut_off),
    *(_remove, _repeat, _insert, _splice, _swap),
)
