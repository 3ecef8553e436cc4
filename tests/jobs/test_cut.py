"""An edit plan cuts sound as it cuts frames: to the sample, silence where frames are new."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from viseme.edits import Addition, EditPlan, Removal
from viseme.errors import InputError, Interrupted, MediaTooLarge
from viseme.jobs.cut import (
    cut_clip,
    cut_pictures,
    cut_recording,
    cut_samples,
    pictures_of_frames,
)
from viseme.jobs.marks import COLOURS, Marks, Origin, text_dots
from viseme.media import MediaLimits, decode_sound, iterate_frames, probe_clip, probe_speech
from viseme.model import Recording, Sound

Media = Any


def ramp(count: int, channels: int = 1) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Samples that tell their own number, from 1; the second channel's are negative."""
    row = np.arange(1, count + 1, dtype=np.float32)
    return np.stack([row, -row][:channels])[np.newaxis]


def test_the_samples_of_removed_frames_go_and_those_of_new_frames_are_silent() -> None:
    plan = EditPlan(additions=(Addition(2, 3),), removals=(Removal(4, 5), Removal(8, 8, 1)))
    cut = cut_samples(ramp(1000, 2), 1000, plan, 10, Fraction(10))
    kept = ramp(1000, 2)
    expected = np.concatenate(
        [
            kept[:, :, :200],
            np.zeros((1, 2, 300), np.float32),
            kept[:, :, 200:400],
            kept[:, :, 600:800],
            np.zeros((1, 2, 100), np.float32),
            kept[:, :, 900:],
        ],
        axis=2,
    )
    assert np.array_equal(cut, expected)


def test_speech_that_ends_early_is_followed_by_silence() -> None:
    cut = cut_samples(ramp(450), 1000, EditPlan(removals=(Removal(0, 0),)), 10, Fraction(10))
    assert cut.shape == (1, 1, 900)
    assert np.array_equal(cut[0, 0, :350], np.arange(101, 451))
    assert not cut[0, 0, 350:].any()


@pytest.mark.parametrize("frames", [361_000, 10_000_000])
def test_a_cut_of_more_hours_than_are_read_is_refused(frames: int) -> None:
    plan = EditPlan(additions=(Addition(0, frames),))
    with pytest.raises(MediaTooLarge, match="at most 14400 s are cut") as caught:
        cut_samples(ramp(1000), 1000, plan, 25, Fraction(25))
    problem = caught.value
    assert (problem.field, problem.limit) == ("edits", "14400 s")
    assert problem.value == f"{(frames + 25) / 25:.0f} s"
    assert "max_seconds" in str(problem.remedy)
    longer = MediaLimits(max_seconds=10**6, max_frames=frames + 25)
    assert cut_samples(ramp(10), 10, plan, 25, Fraction(25), limits=longer).shape[2] == (
        (frames + 25) * 10 // 25
    )


def test_a_cut_that_memory_cannot_hold_is_refused_before_it_is_made() -> None:
    plan = EditPlan(additions=(Addition(0, 350_000),))
    with pytest.raises(MediaTooLarge, match="The cut sound needs") as caught:
        cut_samples(ramp(1000).repeat(64, axis=1), 384_000, plan, 25, Fraction(25))
    assert caught.value.field == "edits"


def test_a_cut_stops_when_it_is_stopped() -> None:
    with pytest.raises(Interrupted):
        cut_samples(
            ramp(1000),
            1000,
            EditPlan(removals=(Removal(0, 0),)),
            10,
            Fraction(10),
            cancel=lambda: True,
        )


@pytest.mark.parametrize(("more", "is_written"), [(10, False), (100, True)])
def test_a_cut_recording_can_be_stopped_while_it_is_written_and_read_again(
    media: Media, tmp_path: Path, more: int, is_written: bool
) -> None:
    recording = probe_speech(media.speech(seconds=20))
    asked, target = count(), tmp_path / "out" / "cut.wav"
    decode_sound(recording, cancel=lambda: next(asked) < 0)
    stop_at = 2 * next(asked) + more
    with pytest.raises(Interrupted):
        cut_recording(
            recording,
            None,
            EditPlan(removals=(Removal(0, 0),)),
            500,
            Fraction(25),
            target,
            cancel=lambda: next(asked) == stop_at,
        )
    assert target.exists() is is_written


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(30000, 1001), Fraction(25)])
@pytest.mark.parametrize("sample_rate", [8000, 44100, 48000])
def test_odd_rates_lose_no_sample_over_many_frames(rate: Fraction, sample_rate: int) -> None:
    frames = 1000
    whole = int(frames / rate * sample_rate) + 10
    nothing = EditPlan(removals=(Removal(500, 500),))
    cut = cut_samples(ramp(whole), sample_rate, nothing, frames, rate)[0, 0]
    jump = np.flatnonzero(np.diff(cut) != 1)
    first, second = (int(Fraction(frame) / rate * sample_rate) for frame in (500, 501))
    assert len(jump) == 1
    assert abs(int(cut[jump[0]]) - first) <= 1
    assert abs(int(cut[jump[0] + 1]) - second) <= 2
    assert abs(len(cut) - (frames - 1) / rate * sample_rate) <= 1


# The picture of a cut

PLAN = EditPlan(additions=(Addition(3, 4),), removals=(Removal(5, 7, 2), Removal(10, 10)))
NEW = {3: "addition", 6: "addition", 9: "bridge", 10: "bridge"}  # first and last of each run
SOURCES = {2: 2, 7: 3, 8: 4, 11: 8, 13: 11}  # output frame: source frame


def is_marked_as(frame: np.ndarray[Any, Any], colour: tuple[int, int, int]) -> bool:
    """Whether a tenth of the frame's edge has the colour, as far as an encoder keeps it."""
    edge = frame[:3].reshape(-1, 3).astype(int)
    return bool((np.abs(edge - colour).max(axis=1) < 60).mean() > 0.1)


def check_marked(path: Path, frame_count: int) -> None:
    clip = probe_clip(path)
    assert clip.frame_count == frame_count
    frames = [frame.copy() for frame in iterate_frames(clip)]
    colours = {"addition": COLOURS["addition"], "bridge": COLOURS["bridge"]}
    for number, origin in NEW.items():
        marked = {name for name, colour in colours.items() if is_marked_as(frames[number], colour)}
        assert marked == {origin}
    for number, source in SOURCES.items():
        # TinyMedia's frame n is a grey of its own; the frames in memory below are the same.
        assert abs(int(frames[number].mean()) - (20 + 16 * source)) <= 4
        assert not any(is_marked_as(frames[number], colour) for colour in colours.values())


def test_additions_and_bridges_are_marked_each_in_its_own_way(media: Media, tmp_path: Path) -> None:
    clip = probe_clip(media.clip(sound_seconds=0.48))
    speech = probe_speech(clip.path)
    target = tmp_path / "marked.mp4"
    count = cut_clip(clip, speech, PLAN, target, recording_is_own=True, is_marked=True)
    assert count == 12 + 4 - 3 + 2 - 1
    check_marked(target, count)
    sound = probe_clip(target).sound
    assert sound is not None
    assert sound.sample_count == round(Fraction(count, 25) * 16_000)


def test_frames_in_memory_are_cut_and_marked_without_a_file_of_them(tmp_path: Path) -> None:
    greys = np.array([20 + 16 * number for number in range(12)], np.float32) / 255
    images = np.broadcast_to(greys[:, None, None, None], (12, 65, 97, 3))
    target = tmp_path / "marked.mp4"
    pictures = pictures_of_frames(images, Fraction(25))
    count = cut_pictures(pictures, None, PLAN, target, is_marked=True)
    check_marked(target, count)
    assert [path.name for path in tmp_path.iterdir()] == ["marked.mp4"]


def test_without_marks_new_frames_hold_the_picture_before_them(
    media: Media, tmp_path: Path
) -> None:
    target = tmp_path / "plain.mp4"
    cut_clip(probe_clip(media.clip()), None, EditPlan((Addition(0, 2), Addition(4, 1))), target)
    means = [float(frame.mean()) for frame in iterate_frames(probe_clip(target))]
    shown = [0, 0, 0, 1, 2, 3, 3, *range(4, 12)]
    assert means == pytest.approx([20 + 16 * number for number in shown], abs=4)


def test_a_plan_that_does_not_fit_is_refused_before_anything_is_decoded(
    media: Media, tmp_path: Path
) -> None:
    clip = probe_clip(media.clip())
    silent = Recording(clip.path, "x", 1, "mp4", Sound("aac", 1, 1, 1))
    with pytest.raises(InputError, match="removals"):
        cut_clip(clip, silent, EditPlan(removals=(Removal(11, 12),)), tmp_path / "x.mp4")
    assert list(tmp_path.glob("x*")) == []


def test_a_cut_keeps_pixels_that_are_not_square(media: Media, tmp_path: Path) -> None:
    wide = replace(probe_clip(media.clip()), pixel_aspect=Fraction(16, 15))
    cut_clip(wide, None, EditPlan(removals=(Removal(0, 0),)), tmp_path / "wide.mp4")
    assert probe_clip(tmp_path / "wide.mp4").pixel_aspect == Fraction(16, 15)


@pytest.mark.parametrize("size", [(2, 2), (16, 9), (97, 33), (640, 360)])
@pytest.mark.parametrize("origin", ["addition", "bridge"])
def test_marks_fit_pictures_of_any_size(size: tuple[int, int], origin: Origin) -> None:
    width, height = size
    held = np.full((height, width, 3), 200, np.uint8)
    frames = list(Marks(width, height).over(held, origin, 1000))
    assert len(frames) == 1000
    assert all(frame.shape == held.shape for frame in frames[::100])
    assert (held == 200).all()
    assert any((frame == COLOURS[origin]).all(axis=2).any() for frame in frames[:1])


def test_a_caption_counts_the_new_frames() -> None:
    frames = list(Marks(320, 180).over(np.zeros((180, 320, 3), np.uint8), "bridge", 10))
    assert len({frame.tobytes() for frame in frames}) == 10
    dots = text_dots("BRIDGE 10/10", 2)
    assert dots.shape == (10, (12 * 4 - 1) * 2)
    white = (frames[-1] == 255).all(axis=2)
    rows, columns = np.nonzero(white)
    top, left = rows.min(), columns.min()
    assert (white[top : top + 10, left : left + dots.shape[1]] == dots).all()
