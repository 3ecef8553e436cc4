from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from viseme.media import decode_sound, probe_clip
from viseme.sandbox.models import DEFAULT_OPTIONS, MODELS, ContentProblem

SYNC = MODELS["fal", "fal-ai/sync-lipsync/v2/pro"]
SIX = [float(n) for n in range(6)]
TEN = [float(n) for n in range(10)]


def body(mode: str) -> dict[str, Any]:
    return {
        "video_url": "https://example.com/a.mp4",
        "audio_url": "https://example.com/a.wav",
        "sync_mode": mode,
    }


# The clip has pictures 0 to 9 at 10 fps: 1 s. Speech of 1.5 s is 15 pictures long, and speech of
# 0.55 s is 5.5, of which the sixth begins before it ends.
CASES = [
    ("cut_off", "3/2", TEN, "1"),
    ("loop", "3/2", [*TEN, 0, 1, 2, 3, 4], "3/2"),
    ("bounce", "3/2", [*TEN, 9, 8, 7, 6, 5], "3/2"),
    ("silence", "3/2", [*TEN, 9, 9, 9, 9, 9], "3/2"),
    ("remap", "3/2", [0, 0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7, 8, 8, 9], "3/2"),
    ("cut_off", "11/20", SIX, "11/20"),
    ("loop", "11/20", SIX, "11/20"),
    ("bounce", "11/20", SIX, "11/20"),
    ("silence", "11/20", TEN, "1"),
    ("remap", "11/20", [0, 1, 3, 5, 7, 9], "11/20"),
]


@pytest.mark.parametrize(("mode", "speech_seconds", "pictures", "sound_seconds"), CASES)
def test_every_mode_shows_the_pictures_and_sounds_as_long_as_documented(
    mode: str,
    speech_seconds: str,
    pictures: list[float],
    sound_seconds: str,
    tmp_path: Path,
    make_clip: Callable[..., Path],
    make_speech: Callable[..., Path],
    numbers_in: Callable[[Path], list[float]],
) -> None:
    clip, speech = make_clip(), make_speech(speech_seconds)
    (path,) = SYNC.render(body(mode), clip, speech, tmp_path, DEFAULT_OPTIONS, lambda: False)
    assert numbers_in(path) == pictures
    waveform, rate = decode_sound(path)
    assert rate == 16_000
    assert waveform.shape == (1, 1, Fraction(sound_seconds) * 16_000)
    assert probe_clip(path).frame_rate == 10


def test_bounce_turns_again_at_the_start(
    tmp_path: Path,
    make_clip: Callable[..., Path],
    make_speech: Callable[..., Path],
    numbers_in: Callable[[Path], list[float]],
) -> None:
    clip, speech = make_clip(frames=3), make_speech("1")
    (path,) = SYNC.render(body("bounce"), clip, speech, tmp_path, DEFAULT_OPTIONS, lambda: False)
    assert numbers_in(path) == [0, 1, 2, 2, 1, 0, 0, 1, 2, 2]


# 0.083 times 1 s, 1.5 s and 0.6 s (six whole pictures)
@pytest.mark.parametrize(
    ("mode", "speech_seconds", "usd"),
    [("cut_off", "3/2", "0.0830"), ("loop", "3/2", "0.1245"), ("remap", "11/20", "0.0498")],
)
def test_the_price_follows_the_length_of_the_output(
    mode: str,
    speech_seconds: str,
    usd: str,
    make_clip: Callable[..., Path],
    make_speech: Callable[..., Path],
) -> None:
    price = SYNC.price_usd(body(mode), make_clip(), make_speech(speech_seconds))
    assert price == Decimal(usd)


def test_a_still_image_is_refused(
    tmp_path: Path, make_still: Callable[..., Path], make_speech: Callable[..., Path]
) -> None:
    arguments = (body("loop"), make_still(), make_speech("1"))
    with pytest.raises(ContentProblem, match="still image") as refused:
        SYNC.render(*arguments, tmp_path, DEFAULT_OPTIONS, lambda: False)
    assert refused.value.problem.loc == ("video_url",)
    with pytest.raises(ContentProblem):
        SYNC.price_usd(*arguments)


def test_a_file_that_is_no_media_is_the_requests_fault(
    tmp_path: Path, make_clip: Callable[..., Path]
) -> None:
    text = tmp_path / "speech.wav"
    text.write_text("this is no sound")
    with pytest.raises(ContentProblem) as refused:
        SYNC.render(body("loop"), make_clip(), text, tmp_path, DEFAULT_OPTIONS, lambda: False)
    assert refused.value.problem.loc == ("audio_url",)
    assert refused.value.problem.type == "unsupported_media"
    assert str(tmp_path) not in refused.value.problem.message
