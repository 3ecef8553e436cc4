from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from viseme.media import decode_sound, probe_clip, sniff
from viseme.sandbox import voice
from viseme.sandbox.models import DEFAULT_OPTIONS, MODELS, ContentProblem, RenderOptions
from viseme.sandbox.models.pixverse import Voice

FAL = MODELS["fal", "fal-ai/pixverse/lipsync"]
AIMLAPI = MODELS["aimlapi", "pixverse/lip-sync"]
RUNWARE = MODELS["runware", "pixverse:lipsync@1"]
VIDEO = "https://example.com/a.mp4"
AUDIO = "https://example.com/a.wav"
UUID = "3f2b8c1e-7a4d-4b6e-9c1f-2a3b4c5d6e7f"
WITH_SOUND = {"video_url": VIDEO, "audio_url": AUDIO}
TEN = [float(n) for n in range(10)]
AS_LONG_AS_THE_CLIP = RenderOptions(pixverse_timing="clip")


def runware(**fields: Any) -> dict[str, Any]:
    return {
        "taskType": "videoInference",
        "taskUUID": UUID,
        "model": "pixverse:lipsync@1",
        "inputs": {"referenceVideos": [UUID], "audio": UUID},
        **fields,
    }


def spoken(text: str, name: str = "auto", **fields: Any) -> dict[str, Any]:
    inputs = {"referenceVideos": [UUID]}
    return runware(inputs=inputs, speech={"text": text, "voice": name}, **fields)


@pytest.mark.parametrize(
    ("speech", "options", "pictures", "sound_seconds"),
    [
        ("3/2", DEFAULT_OPTIONS, [*TEN, 0, 1, 2, 3, 4], "3/2"),
        ("11/20", DEFAULT_OPTIONS, [0, 1, 2, 3, 4, 5], "11/20"),
        ("3/2", AS_LONG_AS_THE_CLIP, TEN, "1"),
        ("11/20", AS_LONG_AS_THE_CLIP, TEN, "1"),
    ],
)
@pytest.mark.parametrize("model", [FAL, AIMLAPI, RUNWARE], ids=lambda model: model.vendor)
def test_the_result_is_as_long_as_the_speech_or_as_the_clip(
    model: Any,
    speech: str,
    options: RenderOptions,
    pictures: list[float],
    sound_seconds: str,
    tmp_path: Path,
    make_clip: Callable[..., Path],
    make_speech: Callable[..., Path],
    numbers_in: Callable[[Path], list[float]],
) -> None:
    bodies: dict[str, dict[str, Any]] = {
        "fal": WITH_SOUND,
        "aimlapi": {"model": "pixverse/lip-sync", **WITH_SOUND},
        "runware": runware(),
    }
    body = bodies[model.vendor]
    assert model.check(body) == []
    clip, sound = make_clip(), make_speech(speech)
    (path,) = model.render(body, clip, sound, tmp_path, options, lambda: False)
    assert numbers_in(path) == pictures
    waveform, rate = decode_sound(path)
    assert waveform.shape == (1, 1, Fraction(sound_seconds) * rate)


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (44_100, 2), (96_000, 1)])
def test_the_sound_is_the_speech_at_its_own_rate(
    rate: int,
    channels: int,
    tmp_path: Path,
    make_clip: Callable[..., Path],
    make_speech: Callable[..., Path],
) -> None:
    speech = make_speech("1", rate, channels)
    (path,) = FAL.render(WITH_SOUND, make_clip(), speech, tmp_path, DEFAULT_OPTIONS, lambda: False)
    (given, _), (got, got_rate) = decode_sound(speech), decode_sound(path)
    assert got_rate == rate
    assert got.shape == given.shape
    match = np.corrcoef(given.ravel(), got.ravel())[0, 1]
    assert match > 0.98


@pytest.mark.parametrize("name", [*get_args(Voice), "Auto"])
def test_every_voice_speaks_at_every_vendor(
    name: str, tmp_path: Path, make_clip: Callable[..., Path]
) -> None:
    text = "Hello there"
    count = voice.sample_count(text)
    tts = {"lip_sync_tts_content": text, "lip_sync_tts_speaker": name}
    for model, body in (
        (FAL, {"video_url": VIDEO, "text": text, "voice_id": name}),
        (AIMLAPI, {"model": "pixverse/lip-sync", "video_url": VIDEO, **tts}),
        (RUNWARE, spoken(text, "auto" if name == "Auto" else name)),
    ):
        assert model.check(body) == []
        (path,) = model.render(body, make_clip(), None, tmp_path, DEFAULT_OPTIONS, lambda: False)
        waveform, rate = decode_sound(path)
        assert (rate, waveform.shape[2]) == (24_000, count)
        assert np.sqrt(np.mean(waveform**2)) > 0.03
        clip = probe_clip(path)
        assert clip.frame_count == -(-count * 10 // 24_000)


def test_with_neither_sound_nor_text_fal_speaks_all_the_same(
    tmp_path: Path, make_clip: Callable[..., Path]
) -> None:
    body = {"video_url": VIDEO}
    (path,) = FAL.render(body, make_clip(), None, tmp_path, DEFAULT_OPTIONS, lambda: False)
    waveform, _ = decode_sound(path)
    assert waveform.shape[2] == voice.sample_count("Hello, this is a test message.")


@pytest.mark.parametrize(
    ("wanted", "suffix", "containers", "codec"),
    [
        ("MP4", ".mp4", {"mp4"}, "h264"),
        ("MOV", ".mov", {"mov", "mp4"}, "h264"),
        ("WEBM", ".webm", {"webm"}, "vp9"),
    ],
)
def test_every_output_format_is_what_it_says(
    wanted: str,
    suffix: str,
    containers: set[str],
    codec: str,
    tmp_path: Path,
    make_clip: Callable[..., Path],
    make_speech: Callable[..., Path],
) -> None:
    body = runware(outputFormat=wanted)
    (path,) = RUNWARE.render(
        body, make_clip(), make_speech("1"), tmp_path, DEFAULT_OPTIONS, lambda: False
    )
    clip = probe_clip(path)
    assert path.suffix == suffix
    assert sniff(path) in containers
    assert (clip.codec, clip.frame_count) == (codec, 10)
    assert clip.sound is not None


def test_several_results_are_different_pictures_of_the_same_length(
    tmp_path: Path,
    make_clip: Callable[..., Path],
    make_speech: Callable[..., Path],
    pictures_of: Callable[[Path], NDArray[np.uint8]],
) -> None:
    body = runware(numberResults=4)
    paths = RUNWARE.render(
        body, make_clip(width=128), make_speech("1/2"), tmp_path, DEFAULT_OPTIONS, lambda: False
    )
    assert len(set(paths)) == 4
    results = [pictures_of(path).astype(int) for path in paths]
    for n, first in enumerate(results):
        assert len(first) == 5
        for second in results[n + 1 :]:
            assert np.abs(first - second).max() > 60


def test_a_better_output_quality_makes_a_larger_file(
    tmp_path: Path, make_clip: Callable[..., Path], make_speech: Callable[..., Path]
) -> None:
    sizes = []
    for quality in (20, 60, 99):
        (path,) = RUNWARE.render(
            runware(outputQuality=quality),
            make_clip(width=128, height=128),
            make_speech("1"),
            tmp_path,
            DEFAULT_OPTIONS,
            lambda: False,
        )
        sizes.append(path.stat().st_size)
    assert sizes == sorted(set(sizes))


# 1.5 s of speech is 15 pictures at 10 fps; 0.55 s is 6, which play 0.6 s
@pytest.mark.parametrize(
    ("speech", "options", "usd"),
    [
        ("3/2", DEFAULT_OPTIONS, "0.0600"),
        ("11/20", DEFAULT_OPTIONS, "0.0240"),
        ("11/20", AS_LONG_AS_THE_CLIP, "0.0400"),
    ],
)
def test_fal_charges_for_every_second_of_output(
    speech: str,
    options: RenderOptions,
    usd: str,
    make_clip: Callable[..., Path],
    make_speech: Callable[..., Path],
) -> None:
    price = FAL.price_usd(WITH_SOUND, make_clip(), make_speech(speech), options)
    assert price == Decimal(usd)


@pytest.mark.parametrize(
    ("characters", "usd"), [(1, "0.2400"), (100, "0.2400"), (101, "0.4800"), (250, "0.7200")]
)
def test_fal_charges_for_every_hundred_characters_begun(
    characters: int, usd: str, make_clip: Callable[..., Path]
) -> None:
    body = {"video_url": VIDEO, "text": "x" * characters}
    assert FAL.price_usd(body, make_clip(), None) == Decimal(usd)


# 0.0136 times 1.5 s, times 3; 0.0136 times 0.55 s is 0.00748
@pytest.mark.parametrize(
    ("speech", "results", "usd"),
    [("3/2", 1, "0.0204"), ("3/2", 3, "0.0612"), ("11/20", 1, "0.00748")],
)
def test_runware_charges_for_every_second_of_speech_and_every_result(
    speech: str,
    results: int,
    usd: str,
    make_clip: Callable[..., Path],
    make_speech: Callable[..., Path],
) -> None:
    body = runware(numberResults=results)
    assert RUNWARE.price_usd(body, make_clip(), make_speech(speech)) == Decimal(usd)


def test_runware_charges_for_the_seconds_that_it_speaks(make_clip: Callable[..., Path]) -> None:
    # 28 letters of 1714 samples and a tail of 2400: 50392 / 24000 = 2.09966 s, at 0.0136
    body = spoken("Twenty-eight letters in all.")
    assert RUNWARE.price_usd(body, make_clip(), None) == Decimal("0.028555")


def test_half_a_step_is_rounded_up(
    make_clip: Callable[..., Path], make_speech: Callable[..., Path]
) -> None:
    # 0.0136 times 1.000625 s is 0.0136085 exactly
    speech = make_speech("1601/1600")
    assert RUNWARE.price_usd(runware(), make_clip(), speech) == Decimal("0.013609")


def test_aimlapi_charges_its_set_price(make_clip: Callable[..., Path]) -> None:
    body = {"model": "pixverse/lip-sync", "video_url": VIDEO}
    assert AIMLAPI.price_usd(body, make_clip(), None) == Decimal("1.00")


def test_runware_names_the_place_of_media_it_cannot_use(
    tmp_path: Path, make_clip: Callable[..., Path]
) -> None:
    text = tmp_path / "note.txt"
    text.write_text("not a video")
    with pytest.raises(ContentProblem) as refused:
        RUNWARE.render(runware(), text, make_clip(), tmp_path, DEFAULT_OPTIONS, lambda: False)
    assert refused.value.problem.loc == ("inputs", "referenceVideos", 0)
    with pytest.raises(ContentProblem) as refused:
        RUNWARE.price_usd(runware(), make_clip(), text)
    assert refused.value.problem.loc == ("inputs", "audio")
