"""Pictures made into what a coder takes: 4:2:0, BT.709, limited range, all of one even size."""

from __future__ import annotations

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from numpy.typing import NDArray

from .picture import matrix_of, one_thread

_LIMITED = int(ColorRange.MPEG)
# SWS_AREA and SWS_FULL_CHR_H_INP: each chroma sample is the mean of its four pixels, which it is
# not with swscale's default, and it takes half the time.
_MEAN_CHROMA = 0x20 | 0x4000


class PicturesToCode:
    """Converts one picture after the other, in the calling thread.

    ``size`` is (width, height) in pixels, both even.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        self._reformatter = VideoReformatter()
        self._options = one_thread()

    def from_bytes(self, pixels: NDArray[np.uint8]) -> VideoFrame:
        """Of RGB bytes, uint8 [H, W, 3] and contiguous, which are not kept.

        Scaled where their size differs.
        """
        picture = VideoFrame.from_numpy_buffer(pixels, "rgb24")
        is_size_kept = (picture.width, picture.height) == self._size
        return self._reformat(picture, None, _MEAN_CHROMA if is_size_kept else None)

    def from_picture(self, picture: VideoFrame) -> VideoFrame:
        """Of a decoded picture, in its own colour matrix. Scaled where its size differs."""
        return self._reformat(picture, matrix_of(picture), None)

    def _reformat(
        self, picture: VideoFrame, matrix: int | None, interpolation: int | None
    ) -> VideoFrame:
        width, height = self._size
        return self._reformatter.reformat(
            picture,
            width=width,
            height=height,
            format="yuv420p",
            src_colorspace=matrix,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=_LIMITED,
            interpolation=interpolation,
            **self._options,
        )
