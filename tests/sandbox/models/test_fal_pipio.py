from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from viseme.media import decode_sound, probe_clip
from viseme.sandbox.models import DEFAULT_OPTIONS, MODELS, ContentProblem

PIPIO = MODELS["fal", "pipio/lipsync"]


def body(**fields: Any) -> dict[str, Any]:
    return {"video": "https://example.com/v", "audio": "https://example.com/a", **fields}


@pytest.fixture
def render(tmp_path: Path, make_speech: Callable[..., Path]) -> Callable[..., Path]:
    def run(video: Path, *, speech: str = "1", **fields: Any) -> Path:
        request = body(**fields)
        assert PIPIO.check(request) == []
        (path,) = PIPIO.render(
            request, video, make_speech(speech), tmp_path, DEFAULT_OPTIONS, lambda: False
        )
        return path

    return run


# pictures 0 to 9 at 10 fps
@pytest.mark.parametrize(
    ("fields", "pictures", "frame_rate"),
    [
        ({}, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 10),
        ({"num_frames": 4}, [0, 1, 2, 3], 10),
        ({"frame_rate": 20, "num_frames": 7}, [0, 0, 1, 1, 2, 2, 3], 20),
        ({"frame_rate": 25}, [n * 10 // 25 for n in range(25)], 25),
        ({"frame_rate": 4}, [0, 2, 5, 7], 4),
        (
            {"edit_removal_ranges": [2, 4], "edit_removal_bridge_durations": [0]},
            [0, 1, 5, 6, 7, 8, 9],
            10,
        ),
        (
            {
                "edit_removal_ranges": [2, 4],
                "edit_removal_bridge_durations": [1],
                "edit_addition_start_frames": [7],
                "edit_addition_durations": [3],
            },
            [0, 1, 3, 5, 6, 6.25, 6.5, 6.75, 7, 8, 9],
            10,
        ),
        (
            # at 5 fps the timeline is 0 2 4 6 8; without 2 and 4, and with a bridge of one
            {
                "frame_rate": 5,
                "num_frames": 5,
                "edit_removal_ranges": [1, 2],
                "edit_removal_bridge_durations": [1],
            },
            [0, 3, 6, 8],
            5,
        ),
    ],
)
def test_the_pictures_are_those_that_were_asked_for(
    fields: dict[str, Any],
    pictures: list[float],
    frame_rate: int,
    make_clip: Callable[..., Path],
    render: Callable[..., Path],
    numbers_in: Callable[[Path], list[float]],
) -> None:
    path = render(make_clip(), **fields)
    assert numbers_in(path) == pictures
    assert probe_clip(path).frame_rate == frame_rate


def test_without_num_frames_a_clip_is_cut_at_a_hundred(
    make_clip: Callable[..., Path], render: Callable[..., Path]
) -> None:
    path = render(make_clip(frames=130, rate=25))
    assert probe_clip(path).frame_count == 100


@pytest.mark.parametrize(
    ("fields", "width", "height"),
    [
        ({}, 120, 64),
        ({"height": -2, "width": -2}, 60, 32),
        ({"width": -3}, 40, 64),
        ({"width": 64, "height": 96}, 64, 96),
    ],
)
def test_the_size_is_native_a_part_of_it_or_as_given(
    fields: dict[str, int],
    width: int,
    height: int,
    make_clip: Callable[..., Path],
    render: Callable[..., Path],
) -> None:
    clip = probe_clip(render(make_clip(frames=3, width=120), **fields))
    assert (clip.width, clip.height) == (width, height)


@pytest.mark.parametrize("speech", ["3/10", "2"])
def test_the_sound_is_as_long_as_the_pictures(
    speech: str, make_clip: Callable[..., Path], render: Callable[..., Path]
) -> None:
    path = render(make_clip(), speech=speech, num_frames=8)
    waveform, rate = decode_sound(path)
    assert waveform.shape[2] == 8 * rate // 10
    after_speech = waveform[0, 0, 6 * rate // 10 :]
    assert (abs(after_speech).max() < 0.01) == (speech == "3/10")


def test_a_still_image_is_held_for_exactly_num_frames(
    make_still: Callable[..., Path], render: Callable[..., Path]
) -> None:
    clip = probe_clip(render(make_still(), frame_rate=25, num_frames=30))
    assert clip.frame_count == 30
    assert clip.frame_rate == 25


def test_a_still_image_with_additions_and_removals(
    make_still: Callable[..., Path], render: Callable[..., Path]
) -> None:
    path = render(
        make_still(),
        frame_rate=10,
        num_frames=10,
        edit_addition_start_frames=[10],
        edit_addition_durations=[4],
        edit_removal_ranges=[0, 2],
        edit_removal_bridge_durations=[1],
    )
    assert probe_clip(path).frame_count == 10 + 4 - 3 + 1


def test_a_still_image_has_no_rate_of_its_own(
    make_still: Callable[..., Path], render: Callable[..., Path]
) -> None:
    with pytest.raises(ContentProblem, match="no native frame rate") as refused:
        render(make_still())
    assert refused.value.problem.loc == ("frame_rate",)


def test_edits_beyond_the_real_clip_are_refused(
    make_clip: Callable[..., Path], render: Callable[..., Path]
) -> None:
    with pytest.raises(ContentProblem, match="within frames 0 to 9") as refused:
        render(
            make_clip(),
            num_frames=100,
            edit_removal_ranges=[8, 12],
            edit_removal_bridge_durations=[0],
        )
    assert refused.value.problem.loc == ("edit_removal_ranges", 0)


def test_a_size_divided_into_nothing_is_refused(
    make_clip: Callable[..., Path], render: Callable[..., Path]
) -> None:
    with pytest.raises(ContentProblem, match="leaves no picture"):
        render(make_clip(), width=-60)


def test_a_result_without_end_is_refused(
    make_still: Callable[..., Path], render: Callable[..., Path]
) -> None:
    with pytest.raises(ContentProblem, match="at most 500000"):
        render(make_still(), frame_rate=25, num_frames=10_000_000)


# Ten pictures at 10 fps play 1 s, seven at 20 fps 0.35 s; the shorter side makes the class.
@pytest.mark.parametrize(
    ("fields", "usd"),
    [
        ({}, "0.0900"),
        ({"width": 1080, "height": 1920}, "0.0900"),
        ({"width": 1440, "height": 1440}, "0.1600"),
        ({"width": 3840, "height": 2160}, "0.3600"),
        ({"width": 1082, "height": 1082, "frame_rate": 20, "num_frames": 7}, "0.0560"),
        ({"edit_removal_ranges": [0, 3], "edit_removal_bridge_durations": [1]}, "0.0630"),
    ],
)
def test_the_price_follows_the_size_and_length_of_the_output(
    fields: dict[str, Any],
    usd: str,
    make_clip: Callable[..., Path],
    make_speech: Callable[..., Path],
) -> None:
    assert PIPIO.price_usd(body(**fields), make_clip(), make_speech("1")) == Decimal(usd)
