from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from viseme.errors import Interrupted
from viseme.media import ClipWriter, decode_sound, probe_clip
from viseme.sandbox.models import DEFAULT_OPTIONS, MODELS, RenderOptions
from viseme.sandbox.overlay import Overlay, loudness
from viseme.sandbox.render import resized
from viseme.sandbox.source import Footage, PictureReader

SYNC = MODELS["fal", "fal-ai/sync-lipsync/v2/pro"]
BODY = {
    "video_url": "https://example.com/a.mp4",
    "audio_url": "https://example.com/a.wav",
    "sync_mode": "loop",
}
CANNED: dict[str, dict[str, Any]] = {
    "fal-ai/pixverse/lipsync": {"video_url": "https://example.com/a.mp4"},
    "fal-ai/sync-lipsync/v2/pro": BODY,
    "pipio/lipsync": {"video": "https://example.com/a", "audio": "https://example.com/b"},
    "pixverse/lip-sync": {
        "model": "pixverse/lip-sync",
        "video_url": "https://example.com/a.mp4",
        "audio_url": "https://example.com/a.wav",
    },
    "pixverse:lipsync@1": {
        "taskType": "videoInference",
        "taskUUID": "3f2b8c1e-7a4d-4b6e-9c1f-2a3b4c5d6e7f",
        "model": "pixverse:lipsync@1",
        "inputs": {"referenceVideos": ["https://example.com/a.mp4"]},
        "speech": {"text": "Hi", "voice": "auto"},
        "outputFormat": "WEBM",
        "numberResults": 2,
    },
}


def bright_share(picture: NDArray[np.uint8], box: tuple[int, int, int, int]) -> float:
    top, bottom, left, right = box
    return float((picture[top:bottom, left:right] > 200).all(axis=2).mean())


@pytest.mark.parametrize(
    ("width", "height"), [(64, 64), (176, 144), (144, 256), (512, 512), (1280, 720), (3840, 2160)]
)
def test_the_word_is_legible_on_every_size(width: int, height: int) -> None:
    overlay = Overlay(width, height)
    picture = np.full((height, width, 3), 128, dtype=np.uint8)
    overlay.draw(picture, 0.5)
    top, bottom, left, right = overlay.label_box
    assert bottom <= height
    assert right <= width
    assert 0.2 < bright_share(picture, overlay.label_box) < 0.5
    letter_height = (bottom - top) * 7 / 11
    assert letter_height >= 7
    assert letter_height >= min(width, height) / 21
    assert (picture[top, left:right] < 64).all(), "letters stand on a dark ground"


def test_the_overlay_touches_nothing_outside_its_boxes() -> None:
    overlay = Overlay(320, 200, note="3/4")
    picture = np.full((200, 320, 3), 128, dtype=np.uint8)
    overlay.draw(picture, 1.0)
    for top, bottom, left, right in (overlay.label_box, overlay.meter_box):
        assert (picture[top:bottom, left:right] != 128).any()
        picture[top:bottom, left:right] = 128
    assert (picture == 128).all()


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 200), (300, 3), (40, 30)])
def test_pictures_too_small_for_the_word_are_drawn_on_all_the_same(width: int, height: int) -> None:
    picture = np.full((height, width, 3), 128, dtype=np.uint8)
    Overlay(width, height).draw(picture, 1.0)


def test_the_meter_rises_with_loudness_and_falls_slowly() -> None:
    overlay = Overlay(200, 200)

    def lit(level: float) -> int:
        picture = np.zeros((200, 200, 3), dtype=np.uint8)
        overlay.draw(picture, level)
        top, bottom, left, right = overlay.meter_box
        return int((picture[top:bottom, left:right] > 0).any(axis=2).sum())

    quiet, loud = lit(0.0), lit(1.0)
    falling = [lit(0.0) for _ in range(12)]
    assert quiet < loud / 5
    assert loud > falling[0] > falling[1] > falling[2] >= quiet
    assert falling[-1] == quiet


def test_loudness_goes_from_nothing_to_one() -> None:
    tone: NDArray[np.float32] = np.sin(np.arange(1_000)).astype(np.float32)[np.newaxis, :]
    quiet, quieter = (tone / 10).astype(np.float32), (tone / 50).astype(np.float32)
    assert loudness(np.zeros((2, 0), dtype=np.float32)) == 0.0
    assert loudness(np.zeros((2, 10), dtype=np.float32)) == 0.0
    assert 0.0 < loudness(quieter) < loudness(quiet) < loudness(tone) == 1.0


def test_every_picture_of_a_result_bears_the_word_and_the_speechs_loudness(
    tmp_path: Path,
    make_clip: Callable[..., Path],
    make_speech: Callable[..., Path],
    pictures_of: Callable[[Path], NDArray[np.uint8]],
) -> None:
    clip, speech = make_clip(frames=5, width=128, height=128), make_speech("2")
    (path,) = SYNC.render(BODY, clip, speech, tmp_path, DEFAULT_OPTIONS, lambda: False)
    pictures = pictures_of(path)
    overlay = Overlay(128, 128)
    assert len(pictures) == 20
    assert all(bright_share(picture, overlay.label_box) > 0.15 for picture in pictures)
    top, bottom, left, right = overlay.meter_box
    meters = pictures[:, top:bottom, left:right].astype(int)
    lit = (meters[..., 1] - meters[..., 0] > 60).sum(axis=(1, 2))
    assert lit[:10].min() > 2 * lit[14:].max(), "the second half is 30 dB softer"


@pytest.mark.parametrize(
    ("width", "height", "rate"),
    [(144, 256, Fraction(30000, 1001)), (177, 145, Fraction(25))],
)
def test_rate_and_size_of_the_clip_are_kept(
    width: int,
    height: int,
    rate: Fraction,
    tmp_path: Path,
    make_clip: Callable[..., Path],
    make_speech: Callable[..., Path],
) -> None:
    clip = make_clip(frames=12, rate=rate, width=width, height=height)
    (path,) = SYNC.render(BODY, clip, make_speech("1"), tmp_path, DEFAULT_OPTIONS, lambda: False)
    before, after = probe_clip(clip), probe_clip(path)
    assert (after.width, after.height) == (before.width, before.height)
    assert after.frame_rate == rate
    assert after.frame_count == -(-rate.numerator // rate.denominator)


def test_cancelling_stops_at_once_and_leaves_no_file(
    tmp_path: Path, make_clip: Callable[..., Path], make_speech: Callable[..., Path]
) -> None:
    clip, speech = make_clip(), make_speech("60")
    out = tmp_path / "out"
    out.mkdir()
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 5

    with pytest.raises(Interrupted):
        SYNC.render(BODY, clip, speech, out, DEFAULT_OPTIONS, cancelled)
    assert asked == 6
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("name", CANNED)
def test_a_canned_answer_is_a_whole_clip_without_a_look_at_the_media(
    name: str, tmp_path: Path
) -> None:
    (model,) = (model for model in MODELS.values() if model.name == name)
    nothing = tmp_path / "nothing"
    paths = model.render(
        CANNED[name], nothing, nothing, tmp_path, RenderOptions(canned=True), lambda: False
    )
    assert len(paths) == CANNED[name].get("numberResults", 1)
    for path in paths:
        clip = probe_clip(path)
        assert (clip.width, clip.height, clip.frame_count) == (64, 64, 5)
        assert decode_sound(path)[0].any()


def test_pictures_come_right_in_any_order(
    make_clip: Callable[..., Path],
) -> None:
    footage = Footage(make_clip(frames=14))
    reader = PictureReader(footage)
    forward, backward = list(range(14)), list(range(13, -1, -1))
    order = [*forward, *backward, *forward, 3, 9, 3, 9, 3, 12, 0, 13, *backward[:5], 4, 5]
    levels = [round((float(reader.at(n)[-4:, :8].mean()) - 20) / 16) for n in order]
    assert levels == order


def test_a_clip_whose_pictures_all_are_large_is_read_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "large.mp4"
    with ClipWriter(path, width=1024, height=1024, frame_rate=Fraction(5)) as writer:
        for number in range(6):
            writer.write_frame(np.full((1024, 1024, 3), 20 + 30 * number, dtype=np.uint8))
    reader = PictureReader(Footage(path))
    order = [5, 4, 3, 2, 1, 0, 5]
    assert [round((float(reader.at(n).mean()) - 20) / 30) for n in order] == order


def test_pixels_that_are_not_square_stay_so_in_the_result(
    tmp_path: Path, make_speech: Callable[..., Path]
) -> None:
    source = tmp_path / "wide.mp4"
    with ClipWriter(
        source, width=64, height=48, frame_rate=Fraction(10), pixel_aspect=Fraction(16, 15)
    ) as writer:
        for _ in range(5):
            writer.write_frame(np.full((48, 64, 3), 90, dtype=np.uint8))
    (result,) = SYNC.render(
        BODY, source, make_speech("1/2"), tmp_path / "out", DEFAULT_OPTIONS, lambda: False
    )
    clip = probe_clip(result)
    assert (clip.width, clip.height, clip.pixel_aspect) == (64, 48, Fraction(16, 15))


@pytest.mark.parametrize("width", [62, 74, 178])
def test_scaling_twice_gives_the_same_pixels(width: int) -> None:
    ramp = np.linspace(0, 255, 200).astype(np.uint8)[None, :, None]
    picture = np.broadcast_to(ramp, (150, 200, 3)).copy()
    scaled = resized(picture, width, 100)
    assert scaled.shape == (100, width, 3)
    for _ in range(30):
        assert np.array_equal(resized(picture, width, 100), scaled)
