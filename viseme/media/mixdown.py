"""Surround sound mixed down to two channels or one, as ITU-R BS.775-3 has it (annex 4)."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from numpy.typing import NDArray

_MINUS_3_DB = sqrt(0.5)
_LEFT, _RIGHT, _BOTH = (1.0, 0.0), (0.0, 1.0), (0.5, 0.5)
_CENTRE = (_MINUS_3_DB, _MINUS_3_DB)
_LEFT_AROUND, _RIGHT_AROUND = (_MINUS_3_DB, 0.0), (0.0, _MINUS_3_DB)
_NOTHING = (0.0, 0.0)

# By FFmpeg's names of channels: their shares in left and right. A channel behind or above the
# middle stands for two surrounds, 3 dB lower each; bass effects (LFE) are left out.
_SHARES = {
    **dict.fromkeys(("FL", "FLC", "DL", "WL"), _LEFT),
    **dict.fromkeys(("FR", "FRC", "DR", "WR"), _RIGHT),
    **dict.fromkeys(("FC", "BFC"), _CENTRE),
    **dict.fromkeys(("BL", "SL", "SDL", "TFL", "TBL", "TSL", "BFL"), _LEFT_AROUND),
    **dict.fromkeys(("BR", "SR", "SDR", "TFR", "TBR", "TSR", "BFR"), _RIGHT_AROUND),
    **dict.fromkeys(("LFE", "LFE2"), _NOTHING),
}
# How files that do not name their six or eight channels nearly always order them.
_USUAL_ORDERS = {
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}
_UNNAMED = "NONE"


def mix_matrix(names: Sequence[str], channels: int) -> NDArray[np.float32]:
    """float32 [channels, len(names)]; times [C, S] it gives 1 or 2 channels.

    Centre and surrounds are 3 dB lower than left and right. No row sums to more than 1, so that
    nothing clips; left and right keep their balance. Channels of unknown place count alike.
    """
    if set(names) == {_UNNAMED}:
        names = _USUAL_ORDERS.get(len(names), names)
    shares = np.array([_SHARES.get(name, _BOTH) for name in names], np.float64).T
    if channels == 1:
        shares = shares.sum(axis=0, keepdims=True)
    loudest = shares.sum(axis=1).max()
    if loudest == 0:
        return np.full((channels, len(names)), 1 / len(names), np.float32)
    matrix: NDArray[np.float32] = (shares / loudest).astype(np.float32)
    return matrix
