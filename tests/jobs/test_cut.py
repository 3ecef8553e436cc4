"""An edit plan cuts sound as it cuts frames: to the sample, silence where frames are new."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from viseme.edits import Addition, EditPlan, Removal
from viseme.jobs.cut import cut_samples


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
