from __future__ import annotations

import av
import numpy as np

from viseme.media import decode_frames, decode_sound, probe_clip, probe_speech
from viseme.samples import sample_clip_path, sample_portrait_path, sample_speech_path


def test_the_clip_is_what_its_docstring_says() -> None:
    clip = probe_clip(sample_clip_path())
    assert (clip.width, clip.height) == (512, 512)
    assert clip.frame_rate == 25
    assert clip.frame_count == 125
    assert (clip.container, clip.codec, clip.sound) == ("mp4", "h264", None)
    assert clip.is_constant_rate


def test_the_face_moves_and_blinks() -> None:
    clip = probe_clip(sample_clip_path())
    frames = decode_frames(clip, start=0, stop=40)
    assert np.abs(frames[30] - frames[0]).max() > 0.3
    eye = frames[:, 240:275, 190:235]
    whites = (eye.min(axis=3) > 0.8).mean(axis=(1, 2))
    assert whites.max() > 0.15
    assert whites[22:24].max() < 0.02


def test_the_speech_is_what_its_docstring_says() -> None:
    speech = probe_speech(sample_speech_path())
    assert (speech.container, speech.sound.codec) == ("wav", "pcm_s16le")
    assert (speech.sound.sample_rate, speech.sound.channels) == (22_050, 1)
    assert 4.5 < speech.seconds < 5.0
    waveform, _ = decode_sound(sample_speech_path())
    assert 0.7 < np.abs(waveform).max() < 0.9


def test_the_portrait_is_a_still_of_the_same_face() -> None:
    still = probe_clip(sample_portrait_path())
    assert (still.is_still, still.width, still.height) == (True, 512, 512)
    with av.open(str(sample_portrait_path())) as container:
        picture = next(container.decode(video=0)).to_ndarray(format="rgb24") / 255
    first = decode_frames(probe_clip(sample_clip_path()), start=0, stop=1)[0]
    assert np.abs(picture - first).mean() < 0.02


def test_the_samples_together_are_under_half_a_megabyte() -> None:
    paths = (sample_clip_path(), sample_speech_path(), sample_portrait_path())
    assert sum(path.stat().st_size for path in paths) < 500_000
