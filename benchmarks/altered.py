"""Clips of other kinds than the drawn ones: turned, with pictures that are held, and long ones."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.video.reformatter import Colorspace, VideoReformatter

from viseme import media

from .child.turning import turn_by_a_quarter
from .inputs import Input
from .scene import FRAME_RATE, SAMPLE_RATE, draw_frames, loudness, speech

# As a camera or a phone writes it.
LONG_BITS_A_SECOND = 8_000_000
LONG_SPEECH_SECONDS = 10
_LOOP_FRAMES = 50
# Of a file with a key picture every two seconds: a part that begins at one, and ends before one.
_KEYED_SECONDS = 10
KEYED_WINDOW = (_LOOP_FRAMES, 4 * _LOOP_FRAMES)
_MOVING_FRAMES = 5  # of each second, before the last of them is held
_BT601 = 6  # AVCOL_*_SMPTE170M


def turned_video(clip: Input, folder: Path) -> Path:
    """The clip's file, but to be shown turned by a quarter, as a phone that is held upright."""
    path = folder / f"{clip.name}-turned.mp4"
    shutil.copyfile(clip.video, path)
    turn_by_a_quarter(path)
    return path


def held_video(clip: Input, folder: Path) -> Path:
    """A variable rate, in BT.601: of each second only the first pictures move, and one is held."""
    path = folder / f"{clip.name}-held.mp4"
    shape = (clip.frame_count, clip.height, clip.width, 3)
    raw = np.memmap(clip.raw, np.uint8, "r", shape=shape)
    reformatter, matrix = VideoReformatter(), int(Colorspace.ITU601)
    with av.open(str(path), "w") as container:
        stream = cast("Any", container.add_stream("libx264", rate=FRAME_RATE))
        stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, "yuv420p"
        context = stream.codec_context
        context.time_base = Fraction(1, FRAME_RATE)
        context.colorspace = context.color_primaries = context.color_trc = _BT601
        for number in _shown_frames(clip.frame_count):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(raw[number]), "rgb24")
            coded = reformatter.reformat(picture, format="yuv420p", dst_colorspace=matrix)
            coded.pts, coded.time_base = number, context.time_base
            container.mux(stream.encode(coded))
        container.mux(stream.encode(None))
    return path


def _shown_frames(count: int) -> list[int]:
    """The last one too, so that the last but one is held up to it."""
    moving = [number for number in range(count - 1) if number % FRAME_RATE < _MOVING_FRAMES]
    return [*moving, count - 1]


def keyed_video(clip: Input, folder: Path) -> Path:
    """Of the clip's size, with a key picture every two seconds: ``KEYED_WINDOW`` can be copied."""
    path = folder / f"{clip.name}-keyed.mp4"
    long_video(path, clip.width, clip.height, _KEYED_SECONDS)
    return path


def long_video(path: Path, width: int, height: int, length: int) -> None:
    """A video of that many seconds, with speech as its sound; both repeat.

    Pictures are coded once, for two seconds, and copied often.
    """
    piece, silent = path.with_name("piece.mp4"), path.with_name("silent.mp4")
    samples = speech(LONG_SPEECH_SECONDS)
    settings = media.EncodeSettings(preset="faster", bit_rate=LONG_BITS_A_SECOND)
    openings = loudness(samples, _LOOP_FRAMES)
    with media.ClipWriter(
        piece, width=width, height=height, frame_rate=Fraction(FRAME_RATE), settings=settings
    ) as writer:
        for frame in draw_frames(width, height, _LOOP_FRAMES, openings):
            writer.write_frame(frame)
    _repeat(piece, silent, length * FRAME_RATE // _LOOP_FRAMES)
    turns = -(-length // LONG_SPEECH_SECONDS)
    sound = np.tile(samples, turns)[np.newaxis, : length * SAMPLE_RATE]
    media.replace_sound(media.probe_clip(silent), (sound, SAMPLE_RATE), path)
    piece.unlink()
    silent.unlink()


def _repeat(piece: Path, path: Path, turns: int) -> None:
    with av.open(str(piece)) as source, av.open(str(path), "w") as target:
        stream = source.streams.video[0]
        out = target.add_stream_from_template(stream)
        packets = [(packet, packet.pts, packet.dts) for packet in source.demux(stream)]
        packets = [one for one in packets if one[0].size]
        ticks = int(_LOOP_FRAMES / Fraction(FRAME_RATE) / Fraction(stream.time_base or 1))
        for turn in range(turns):
            for packet, pts, dts in packets:
                if pts is None or dts is None:
                    continue
                packet.pts, packet.dts = pts + turn * ticks, dts + turn * ticks
                packet.time_base = stream.time_base or Fraction(1)
                packet.stream = out
                target.mux(packet)
