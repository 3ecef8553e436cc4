"""Videos into files: streamed frame by frame, in constant memory."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
from av.video.frame import PictureType
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from ..errors import InputError, Interrupted
from .beside import Beside, run_behind
from .coding import (
    CODECS,
    DEFAULT_SETTINGS,
    EncodeSettings,
    can_tag_aspect,
    codec_options,
    coder_threads,
)
from .digest import stop_if
from .output import Output, video_output
from .partfile import translated_writes
from .pixels import FrameBytes, to_array
from .sound_stream import SOUND_CODECS, SoundStream
from .to_code import PicturesToCode

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

Cancel: TypeAlias = "Callable[[], bool] | None"
# A picture and the frame that it is, or sound that is coded already.
Work: TypeAlias = "tuple[VideoFrame, int] | list[Packet[Any]]"

_BT709 = 1  # AVCOL_*_BT709
_LIMITED = int(ColorRange.MPEG)
_PICTURES_WAITING = 3


def _squared(width: int, height: int, aspect: Fraction) -> tuple[int, int]:
    """The even size at which square pixels show the same; nothing is scaled down."""
    if aspect >= 1:
        return 2 * round(width * aspect / 2), height
    return width, 2 * round(height / aspect / 2)


class ClipWriter:
    """Writes one video: H.264 and AAC in mp4 or mov, VP9 and Opus in webm.

    4:2:0, BT.709, limited range, tagged so. Odd sizes are padded to even ones by repeating the
    last column and row. ``pixel_aspect`` is that of ``Clip``; it is tagged in mp4 and mov, while in
    webm the frames are scaled to square pixels, which show the same. ``sound`` is (sample_rate,
    channels). Pictures are coded and written in a thread beside, while the caller prepares the
    next ones: an error there is raised by a later call. The file appears under its name when the
    block ends well; otherwise nothing is left. Raises ``LocalError`` where it cannot be written (a
    full disk) or encoded, ``InputError`` for frames of another size, and ``Interrupted`` at once:
    what the coder is at then ends by itself, and nothing of it is written.
    """

    def __init__(
        self,
        path: Path,
        *,
        width: int,
        height: int,
        frame_rate: Fraction,
        container: str = "mp4",
        pixel_aspect: Fraction = Fraction(1),
        sound: tuple[int, int] | None = None,
        settings: EncodeSettings = DEFAULT_SETTINGS,
        cancel: Cancel = None,
    ) -> None:
        self.path = Path(path)
        self.frame_count = 0
        if container not in CODECS:
            raise InputError(
                f"{container} is not written here.",
                value=container,
                limit="mp4, mov or webm",
                remedy="Choose mp4, mov or webm.",
            )
        if width < 1 or height < 1 or frame_rate <= 0 or pixel_aspect <= 0:
            raise InputError(
                f"a video of {width}x{height} at {frame_rate} frames a second cannot be written.",
                remedy="Give a positive size and rate.",
            )
        self._container_name = container
        self._frame_rate = Fraction(frame_rate)
        self._bytes = FrameBytes(width, height)
        self._pixel_aspect = Fraction(pixel_aspect)
        self._coded_size = (self._bytes.even_width, self._bytes.even_height)
        if not can_tag_aspect(container):
            self._coded_size = _squared(*self._coded_size, self._pixel_aspect)
            self._pixel_aspect = Fraction(1)
        self._settings = settings
        self._cancel = cancel
        self._to_code = PicturesToCode(self._coded_size)
        self._sound_format = sound
        self._output: Output | None = None
        self._video: VideoStream
        self._sound: SoundStream | None = None
        self._last: tuple[VideoFrame, VideoFrame] | None = None  # a picture given, and converted
        self._beside: Beside[Work] | None = None

    @property
    def coded_size(self) -> tuple[int, int]:
        """Width and height as coded: even."""
        return self._coded_size

    def __enter__(self) -> ClipWriter:
        try:
            with translated_writes(self.path):
                self._open()
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        is_stopped = kind is not None and issubclass(kind, Interrupted)
        try:
            if kind is None:
                with translated_writes(self.path):
                    self._finish()
        except Interrupted:
            is_stopped = True
            raise
        finally:
            if is_stopped and self._output is not None and self._output.hide():
                # A coder ends the pictures that it is at, which takes a third of a second and more:
                # whoever has stopped it does not wait for that.
                Thread(target=self._discard, name="viseme-close", daemon=True).start()
            else:
                self._discard()

    def write_frame(self, frame: NDArray[np.uint8]) -> None:
        """One frame, uint8 [H, W, 3 or 4]; alpha is dropped."""
        self._encode(self._to_code.from_bytes(self._bytes.from_bytes(np.asarray(frame))))

    def write_frames(self, frames: Any) -> None:
        """A chunk [n, H, W, 3 or 4] in 0..1 (array or tensor); NaN is 0, the rest is clamped."""
        for index in range(len(frames)):
            frame = to_array(frames[index])
            if frame.dtype == np.uint8:
                self.write_frame(frame)
            else:
                self._encode(self._to_code.from_bytes(self._bytes.from_floats(frame)))

    def write_picture(self, picture: VideoFrame) -> None:
        """A decoded picture, upright and of this video's coded size or to be scaled to it."""
        self._write_once(picture, lambda: self._to_code.from_picture(picture))

    def write_scaled(
        self, picture: VideoFrame, read: Callable[[VideoFrame], NDArray[np.uint8]]
    ) -> None:
        """A decoded picture as ``read`` makes it uint8 [H, W, 3]; scaled where its size differs."""

        def converted() -> VideoFrame:
            frame = read(picture)
            if frame.shape[:2] == (self._bytes.height, self._bytes.width):
                frame = self._bytes.from_bytes(frame)
            return self._to_code.from_bytes(np.ascontiguousarray(frame))

        self._write_once(picture, converted)

    def _write_once(self, picture: VideoFrame, convert: Callable[[], VideoFrame]) -> None:
        """A picture that comes again right after itself is held, and need not be converted anew."""
        if self._last is None or picture is not self._last[0]:
            self._last = (picture, convert())
        self._encode(self._last[1])

    def write_sound(self, samples: Any) -> None:
        """float32 [C, n] in -1..1 (array or tensor); may come before, between or after frames."""
        if self._sound is None:
            raise InputError(
                f"{self.path} was begun without sound.", remedy="Name its rate and channels."
            )
        with translated_writes(self.path):
            for packets in self._sound.encode(to_array(samples)):
                self._put(packets)

    def _open(self) -> None:
        self._output = video_output(self.path, self._container_name)
        container = self._output.container
        self._video = self._add_video(container)
        if self._sound_format is not None:
            rate, channels = self._sound_format
            self._sound = SoundStream(
                container,
                SOUND_CODECS[self._container_name],
                rate,
                channels,
                self._settings.sound_bit_rate,
            )
        # Sound is coded in the caller's thread: no two threads may come upon a coder to be opened.
        # x264's threads begin here with the priority of their starter, which could not take its own
        # back afterwards: so that is a thread that ends.
        run_behind(container.start_encoding)
        self._beside = Beside(self._write, _PICTURES_WAITING)

    def _add_video(self, container: OutputContainer) -> VideoStream:
        stream = cast(
            "VideoStream",
            container.add_stream(
                CODECS[self._container_name],
                rate=self._frame_rate,
                options=codec_options(self._container_name, self._settings),
            ),
        )
        stream.width, stream.height = self.coded_size
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = 1 / self._frame_rate
        context.sample_aspect_ratio = self._pixel_aspect
        context.thread_type = "FRAME"
        context.thread_count = coder_threads(self._container_name, self._settings, stream.height)
        context.color_range = _LIMITED
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        if self._settings.bit_rate is not None:
            context.bit_rate = self._settings.bit_rate
        return stream

    def _encode(self, picture: VideoFrame) -> None:
        self._put((picture, self.frame_count))
        self.frame_count += 1

    def _put(self, work: Work) -> None:
        stop_if(self._cancel)
        if self._beside is None:
            raise InputError(f"{self.path} is not open for writing.")
        self._beside.put(work)

    def _write(self, work: Work) -> None:
        """Runs in the thread beside."""
        if self._output is None:
            return
        with translated_writes(self.path):
            packets = self._coded(*work) if isinstance(work, tuple) else work
            self._output.container.mux(packets)

    def _coded(self, picture: VideoFrame, index: int) -> list[Packet[VideoStream]]:
        # Only here, since a picture that is held comes again while it still waits.
        picture.pts = index
        picture.time_base = 1 / self._frame_rate
        # A decoded picture says which type it was coded as; x264 would obey.
        picture.pict_type = PictureType.NONE
        if hasattr(picture, "color_primaries"):  # not in PyAV 16, which tags the stream alone
            picture.color_primaries = picture.color_trc = _BT709
        return self._video.encode(picture)

    def _finish(self) -> None:
        if self._output is None or self._beside is None:
            return
        if self.frame_count == 0:
            raise InputError(f"{self.path} got no frames.", remedy="Write at least one.")
        if self._sound is not None:
            self._put(self._sound.finish())
        self._beside.finish()
        # A dozen pictures and more are still looked at: one by one, so that it can be stopped.
        for packet in self._video.encode_lazy(None):
            stop_if(self._cancel)
            self._output.container.mux(packet)
        self._output.finish(self._cancel)

    def _discard(self) -> None:
        beside, self._beside = self._beside, None
        if beside is not None:
            beside.stop()
        output, self._output = self._output, None
        if output is not None:
            output.discard()
