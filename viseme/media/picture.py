"""One decoded picture: which stream it is in, how it is turned, and its colours as RGB."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.stream import Disposition
from av.video.reformatter import Colorspace, VideoReformatter
from numpy.typing import NDArray

from .opening import has_decoder

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.sidedata.sidedata import SideData
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_UNSPECIFIED = 2  # AVCOL_SPC_UNSPECIFIED
_RGB = 0  # AVCOL_SPC_RGB
_HD_LINES = 720
# SWS_BICUBIC, SWS_ACCURATE_RND and SWS_FULL_CHR_H_INT: older PyAV has no names for the last two.
_EXACT = 0x4 | 0x40000 | 0x2000
# What is beyond is a damaged header; no picture is meant to be shown like that.
_MOST_ASPECT = 16


@dataclass(frozen=True, slots=True)
class Orientation:
    """How coded pixels become upright ones: transposed first, then mirrored."""

    is_transposed: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    @property
    def degrees(self) -> int:
        """Clockwise turn, where it is no mirror image: 0, 90, 180 or 270."""
        turns = {
            (False, False, False): 0,
            (True, True, False): 90,
            (False, True, True): 180,
            (True, False, True): 270,
        }
        return turns.get((self.is_transposed, self.mirror_x, self.mirror_y), 0)

    @property
    def is_mirrored(self) -> bool:
        """Whether no turn alone makes the pixels upright."""
        return self.is_transposed ^ self.mirror_x ^ self.mirror_y

    @property
    def is_upright(self) -> bool:
        return self == Orientation()

    def apply(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """A view of [H, W, ...] turned upright."""
        if self.is_transposed:
            pixels = pixels.swapaxes(0, 1)
        if self.mirror_x:
            pixels = pixels[:, ::-1]
        if self.mirror_y:
            pixels = pixels[::-1]
        return pixels


def orientation_of(picture: VideoFrame) -> Orientation:
    """From the display matrix, which maps coded (x, y) to x' = a x + c y, y' = b x + d y."""
    # A picture that is asked for its side_data keeps it, and it the picture: only the garbage
    # collector frees such a pair, and hundreds of MB may wait for it.
    side_data = cast("Any", SideDataContainer)(picture)
    matrix: SideData | None = side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return Orientation()
    a, b, _, c, d = struct.unpack("=5i", bytes(matrix)[:20])
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Orientation(True, mirror_x=c < 0, mirror_y=b < 0)
    return Orientation(False, mirror_x=a < 0, mirror_y=d < 0)


def pixel_aspect_of(stream: VideoStream, orientation: Orientation) -> Fraction:
    """Width of an upright picture's pixels over their height; 1 where nothing usable is said."""
    aspect = stream.sample_aspect_ratio
    if not aspect or not Fraction(1, _MOST_ASPECT) <= aspect <= _MOST_ASPECT:
        return Fraction(1)
    return 1 / aspect if orientation.is_transposed else aspect


def pick_video(container: InputContainer) -> VideoStream | None:
    """The first picture track that is not a cover image and can be decoded."""
    for stream in container.streams.video:
        if has_decoder(stream) and not stream.disposition & Disposition.attached_pic:
            return stream
    return None


_HDR = {16: "PQ", 18: "HLG"}  # AVCOL_TRC_SMPTE2084, AVCOL_TRC_ARIB_STD_B67


def hdr_of(stream: VideoStream) -> str | None:
    """The name of a track's HDR transfer; ``None`` where it has none."""
    return _HDR.get(int(stream.codec_context.color_trc))


# From version 17 on PyAV tells swscale a frame's own matrix, and lets it use several threads.
_IS_MODERN = "threads" in (VideoReformatter.reformat.__doc__ or "")
_MATRICES = {6: int(Colorspace.ITU601)}


def matrix_of(picture: VideoFrame) -> int | None:
    """The colour matrix to name to a reformatter; ``None`` where it reads the picture's own."""
    if picture.colorspace != _UNSPECIFIED:
        own = picture.colorspace
        return None if _IS_MODERN or own == _RGB else _MATRICES.get(own, own)
    # As players do: untagged HD is BT.709, untagged SD is BT.601.
    is_hd = min(picture.width, picture.height) >= _HD_LINES or picture.width >= 1280
    return int(Colorspace.ITU709 if is_hd else Colorspace.ITU601)


def host_matrix_of(picture: VideoFrame) -> int | None:
    """As ``matrix_of``, but as ComfyUI does: whatever is untagged is BT.601."""
    return int(Colorspace.ITU601) if picture.colorspace == _UNSPECIFIED else matrix_of(picture)


def one_thread() -> dict[str, Any]:
    """Options for a reformatter. swscale on several threads spoils pixels at widths that are no
    multiple of 16, now and then.
    """
    return {"threads": 1} if _IS_MODERN else {}


def rgb_options() -> dict[str, Any]:
    """Options for a reformatter that makes RGB."""
    # Without another target old PyAV would not look at the source's matrix.
    return one_thread() if _IS_MODERN else {"dst_colorspace": int(Colorspace.ITU601)}


class PictureReader:
    """Turns pictures upright and into RGB bytes; every picture gets the size of the first."""

    def __init__(self) -> None:
        self._reformatter, self._packer = VideoReformatter(), VideoReformatter()
        self._size: tuple[int, int] | None = None
        self._orientation: Orientation | None = None

    def orientation(self, picture: VideoFrame) -> Orientation:
        """That of the first picture, which holds for all."""
        if self._orientation is None:
            self._orientation = orientation_of(picture)
        return self._orientation

    def read_bytes(self, picture: VideoFrame) -> NDArray[np.uint8]:
        """uint8 [H, W, 3]."""
        if self._size is None:
            self._size = (picture.width, picture.height)
        planes = self._reformatter.reformat(
            picture,
            width=self._size[0],
            height=self._size[1],
            format="gbrp",
            src_colorspace=matrix_of(picture),
            interpolation=_EXACT,
            **rgb_options(),
        )
        # The same as by one step into rgb24, in half the time.
        pixels = self._packer.reformat(planes, format="rgb24", **one_thread()).to_ndarray()
        return np.ascontiguousarray(self.orientation(picture).apply(pixels))
