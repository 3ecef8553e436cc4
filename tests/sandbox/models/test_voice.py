from __future__ import annotations

import numpy as np
import pytest

from viseme.sandbox import voice


def spoken(text: str, name: str = "Auto") -> np.ndarray:
    return np.concatenate(list(voice.speak(text, name)), axis=1)


@pytest.mark.parametrize(
    "text",
    [
        "Hello there, how are you?",
        "x",
        "",
        "...",
        "Grüße aus Köln, 42 mal!",
        "你好，世界",
        "мир",
        "\n\t",
        "a" * 500,
    ],
)
def test_any_text_is_spoken_as_long_as_announced_and_never_silent(text: str) -> None:
    samples = spoken(text)
    assert samples.dtype == np.float32
    assert samples.shape == (1, voice.sample_count(text))
    assert np.abs(samples).max() <= 1.0
    tenth = voice.SAMPLE_RATE // 10
    loudest = [np.abs(samples[0, at : at + tenth]).max() for at in range(0, len(samples[0]), tenth)]
    assert min(loudest) > 0.0005


def test_fourteen_letters_take_about_a_second() -> None:
    assert voice.sample_count("x" * 140) / voice.SAMPLE_RATE == pytest.approx(10, abs=0.2)


def test_the_same_text_in_the_same_voice_is_the_same_samples() -> None:
    assert np.array_equal(spoken("Once more", "Ava"), spoken("Once more", "Ava"))
    assert np.array_equal(spoken("Once more", "Auto"), spoken("Once more", "auto"))


@pytest.mark.parametrize("name", voice.PITCH_HERTZ)
def test_every_voice_has_its_own_pitch(name: str) -> None:
    vowel = spoken("a" * 24, name)[0, voice.SAMPLE_RATE // 4 :]
    spectrum = np.abs(np.fft.rfft(vowel * np.hanning(len(vowel)), 8 * len(vowel)))
    hertz = np.fft.rfftfreq(8 * len(vowel), 1 / voice.SAMPLE_RATE)
    lowest = (hertz > 60) & (hertz < voice.PITCH_HERTZ[name] * 1.5)
    found = hertz[lowest][np.argmax(spectrum[lowest])]
    assert found == pytest.approx(voice.PITCH_HERTZ[name], rel=0.12)
    assert len(set(voice.PITCH_HERTZ.values())) == len(voice.PITCH_HERTZ)


def test_loudness_moves_with_the_letters() -> None:
    samples = spoken("mama ... mama ... mama")[0]
    parts = np.array_split(samples, len(samples) // 1_000)
    levels = [float(np.sqrt(np.mean(part**2))) for part in parts]
    assert max(levels) > 10 * min(levels)


def test_blocks_join_without_a_click() -> None:
    samples = spoken("a" * 64, "Mason")[0]
    steps = np.abs(np.diff(samples))
    seam = 16 * voice.SAMPLES_PER_LETTER
    assert steps[seam - 2 : seam + 2].max() <= np.quantile(steps, 0.999)
