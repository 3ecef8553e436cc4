from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from viseme.media.mixdown import mix_matrix

HALF_POWER = sqrt(0.5)
SURROUND = ("FL", "FR", "FC", "LFE", "BL", "BR")


def test_five_channels_are_mixed_as_the_itu_says() -> None:
    loudest = 1 + 2 * HALF_POWER
    left = [1, 0, HALF_POWER, 0, HALF_POWER, 0]
    right = [0, 1, HALF_POWER, 0, 0, HALF_POWER]
    assert np.allclose(mix_matrix(SURROUND, 2), np.array([left, right]) / loudest)
    mono = np.array([HALF_POWER, HALF_POWER, 1, 0, 0.5, 0.5])
    assert np.allclose(mix_matrix(SURROUND, 1), [mono / mono.sum()])


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    "names",
    [
        ("FL", "FR"),
        ("FL", "FR", "LFE"),
        ("FL", "FR", "BC"),
        ("FL", "FR", "BL", "BR"),
        SURROUND,
        ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
        ("FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC"),
        ("FL", "FR", "FC", "LFE", "SL", "SR", "TFL", "TFR", "TBL", "TBR"),
        ("FL", "BL", "SL"),
        ("LFE", "LFE2", "LFE"),
        ("NONE",) * 4,
        ("NONE",) * 6,
        ("NEW", "FL", "FR"),
    ],
    ids="-".join,
)
def test_the_loudest_sound_does_not_clip(names: tuple[str, ...], channels: int) -> None:
    matrix = mix_matrix(names, channels)
    assert matrix.shape == (channels, len(names))
    assert matrix.dtype == np.float32
    assert abs(float(np.abs(matrix).sum(axis=1).max()) - 1) < 1e-6


def test_channels_without_names_have_the_usual_order_or_count_alike() -> None:
    assert np.array_equal(mix_matrix(["NONE"] * 6, 2), mix_matrix(SURROUND, 2))
    assert np.allclose(mix_matrix(["NONE"] * 5, 2), 0.2)
    assert np.allclose(mix_matrix(["FL", "FR"], 1), 0.5)
