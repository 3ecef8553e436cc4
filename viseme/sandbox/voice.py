"""A synthetic voice for text: the user's machine has no speech synthesis.

Each letter is a vowel, a hum, a hiss or a pop of fixed length, made from the harmonics of a
pitch that is the voice's own, under the formants of the letter. It is not meant to be understood,
but it has the rhythm and the loudness of speech, it is never wholly silent, and the same text in
the same voice is always the same samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 24_000
SAMPLES_PER_LETTER = 1_714  # 14.0 letters a second
TAIL_SAMPLES = 2_400
_LETTERS_PER_BLOCK = 16
_HIGHEST_HERTZ = 4_200.0
_GLIDE_SAMPLES = 480

PITCH_HERTZ = {
    "Auto": 165.0,
    "Emily": 208.0,
    "Isabella": 192.0,
    "Chloe": 226.0,
    "Harper": 184.0,
    "Ava": 238.0,
    "Sophia": 200.0,
    "Julia": 217.0,
    "James": 104.0,
    "Liam": 122.0,
    "Adrian": 113.0,
    "Mason": 92.0,
    "Jack": 131.0,
    "Oliver": 117.0,
    "Ethan": 98.0,
}


@dataclass(frozen=True, slots=True)
class _Sound:
    """Formants in Hz, loudness of the tone and of the hiss, and whether it opens with a gap."""

    formants: tuple[float, float, float]
    tone: float
    hiss: float = 0.0
    is_stop: bool = False


_VOWELS = {
    "a": _Sound((730.0, 1090.0, 2440.0), 1.0),
    "e": _Sound((530.0, 1840.0, 2480.0), 0.9),
    "i": _Sound((300.0, 2290.0, 3010.0), 0.75),
    "o": _Sound((570.0, 840.0, 2410.0), 0.95),
    "u": _Sound((310.0, 870.0, 2240.0), 0.8),
    "y": _Sound((300.0, 1900.0, 2700.0), 0.7),
}
_HUM = _Sound((260.0, 1100.0, 2200.0), 0.35)
_LIQUID = _Sound((380.0, 1300.0, 2500.0), 0.5)
_HISS = _Sound((300.0, 1500.0, 2600.0), 0.03, 0.22)
_BUZZ = _Sound((300.0, 1400.0, 2500.0), 0.25, 0.1)
_POP = _Sound((400.0, 1500.0, 2500.0), 0.06, 0.3, True)
_THUD = _Sound((350.0, 1200.0, 2400.0), 0.4, 0.05, True)
_PAUSE = _Sound((300.0, 1000.0, 2200.0), 0.02, 0.004)

_KINDS = (
    ("mn", _HUM),
    ("lrw", _LIQUID),
    ("sfhcx", _HISS),
    ("vzj", _BUZZ),
    ("ptkq", _POP),
    ("bdg", _THUD),
)
_LETTERS = {**_VOWELS, **{letter: sound for letters, sound in _KINDS for letter in letters}}
_VOWEL_LIST = tuple(_VOWELS.values())


def sample_count(text: str) -> int:
    """Samples at 24 kHz that ``text`` takes to say; at least 0.2 s."""
    return max(len(text), 2) * SAMPLES_PER_LETTER + TAIL_SAMPLES


def speak(text: str, voice: str = "Auto") -> Iterator[NDArray[np.float32]]:
    """``text`` as blocks of float32 [1, samples] at 24 kHz, ``sample_count(text)`` in all.

    ``voice`` is one of ``PITCH_HERTZ``, in any case. A letter that no alphabet here knows is
    spoken as one of the vowels.
    """
    pitch = {name.lower(): hertz for name, hertz in PITCH_HERTZ.items()}[voice.lower()]
    letters = [*(text.lower() or "a").ljust(2, "a"), None]
    generator = np.random.default_rng(int(pitch))
    phase = 0.0
    before = _PAUSE
    for start in range(0, len(letters), _LETTERS_PER_BLOCK):
        block = letters[start : start + _LETTERS_PER_BLOCK]
        sounds = [_PAUSE if letter is None else _sound_of(letter) for letter in block]
        lengths = [TAIL_SAMPLES if letter is None else SAMPLES_PER_LETTER for letter in block]
        samples, phase = _speak_block(before, sounds, lengths, pitch, phase, start, generator)
        before = sounds[-1]
        yield samples[np.newaxis, :]


def _sound_of(letter: str) -> _Sound:
    if letter in _LETTERS:
        return _LETTERS[letter]
    if letter.isalnum():
        return _VOWEL_LIST[ord(letter) % len(_VOWEL_LIST)]
    return _PAUSE


def _speak_block(
    before: _Sound,
    sounds: list[_Sound],
    lengths: list[int],
    pitch: float,
    phase: float,
    first_letter: int,
    generator: np.random.Generator,
) -> tuple[NDArray[np.float32], float]:
    total = sum(lengths)
    chain = [before, *sounds]
    tone = _glide([s.tone for s in chain], lengths)
    hiss = _glide([s.hiss for s in chain], lengths)
    formants = [_glide([s.formants[n] for s in chain], lengths) for n in range(3)]
    for index, sound in enumerate(sounds):
        if sound.is_stop:  # the mouth is shut, then opens
            start = sum(lengths[:index])
            tone[start : start + SAMPLES_PER_LETTER // 2] *= 0.15
            hiss[start : start + SAMPLES_PER_LETTER // 2] = 0.0
    time = np.arange(total) / SAMPLE_RATE + first_letter * SAMPLES_PER_LETTER / SAMPLE_RATE
    hertz = pitch * (1.0 + 0.08 * np.sin(2.6 * time) + 0.012 * np.sin(34.0 * time))
    phases = phase + np.cumsum(2.0 * np.pi * hertz / SAMPLE_RATE)
    voiced = np.zeros(total)
    for harmonic in range(1, int(_HIGHEST_HERTZ / pitch) + 1):
        frequency = harmonic * hertz
        gain = sum(
            weight / (1.0 + ((frequency - formant) / width) ** 2)
            for formant, width, weight in zip(
                formants, (90.0, 120.0, 180.0), (1.0, 0.6, 0.3), strict=True
            )
        )
        voiced += (gain + 0.02) / harmonic**0.3 * np.sin(harmonic * phases)
    noise = generator.standard_normal(total)
    noise = np.diff(noise, prepend=noise[0])
    samples = 0.4 * tone * voiced + 0.35 * hiss * noise
    return np.tanh(samples).astype(np.float32), float(phases[-1] % (2.0 * np.pi))


def _glide(values: list[float], lengths: list[int]) -> NDArray[np.float64]:
    """From ``values[i]`` to ``values[i + 1]`` at the start of letter ``i``, without a click."""
    total = sum(lengths)
    starts = np.cumsum([0, *lengths[:-1]])
    points: list[float] = []
    heights: list[float] = []
    for index, start in enumerate(starts):
        points += [float(start), float(start + _GLIDE_SAMPLES)]
        heights += [values[index], values[index + 1]]
    return np.interp(np.arange(total), points, heights)
