"""Which packets of a picture track become pictures, and whether they did."""

from __future__ import annotations

from heapq import heappop, heappush
from pathlib import Path
from typing import TYPE_CHECKING

from .identify import damaged

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_REORDERED_UNTOLD = frozenset({"h264", "hevc"})
_NEEDS_KEY = frozenset({"h264", "hevc", "vp8", "vp9", "av1"})


class ShownPackets:
    """Tells the packets that are shown from those that are not, or only help to decode others.

    One of its two questions is to be asked of each packet once, in the order of the file.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._codec = stream.codec_context.codec.canonical_name
        self._key_count = 0 if self._codec in _NEEDS_KEY else 2
        self._first_key_stamp: int | None = None

    def can_decode(self, packet: Packet[VideoStream]) -> bool:
        """Whether all that the packet builds on is in the file.

        Nothing before the first key picture has that; nor, where a file was cut between groups
        of pictures, what is shown before that key picture and stored behind it.
        """
        if not packet.size:
            return False
        if packet.is_keyframe:
            self._key_count += 1
            if self._key_count == 1:
                self._first_key_stamp = packet.pts
        if self._key_count == 1 and self._first_key_stamp is not None and packet.pts is not None:
            return packet.pts >= self._first_key_stamp
        return self._key_count > 0

    def has(self, packet: Packet[VideoStream]) -> bool:
        if not self.can_decode(packet) or packet.is_discard:
            return False
        # VP8 keeps pictures that others build on and that are never shown themselves.
        return self._codec != "vp8" or bool(memoryview(packet)[0] & 0x10)


class Awaited:
    """Pictures that went into a decoder and have to come out of it, in the order of their times.

    A decoder drops what it cannot decode without a word. ``has_sought`` says that decoding begins
    inside the file: there the first pictures may build on ones that were not read.

    AVI has no times at which pictures are shown. FFmpeg works them out from the packets, but not
    for H.264 and HEVC: there each picture has the time of its place in the file, not of its turn.
    The times of all are right, so the next picture is shown at the earliest that is left; one that
    is lost shows only where the file ends and a time is left over.
    """

    def __init__(
        self, path: Path, stream: VideoStream, *, container: str, has_sought: bool
    ) -> None:
        self._path = path
        self._shown = ShownPackets(stream)
        codec = stream.codec_context.codec.canonical_name
        self._is_shown_in_turn = container == "avi" and codec in _REORDERED_UNTOLD
        self._stamps: list[int] = []
        self._may_lack = has_sought

    def push(self, packet: Packet[VideoStream]) -> None:
        """Note a packet that is about to be decoded."""
        if self._shown.has(packet) and packet.pts is not None:
            heappush(self._stamps, packet.pts)

    def pop(self, picture: VideoFrame) -> int | None:
        """Note a decoded picture. Raises ``MediaDamaged`` where one before it did not come.

        Returns when it is shown, in units of its ``time_base``; ``None`` where nothing tells.
        """
        if self._is_shown_in_turn and self._stamps:
            return heappop(self._stamps)
        if picture.pts is None:
            return picture.dts
        while self._stamps and self._stamps[0] < picture.pts:
            self._miss(heappop(self._stamps), picture)
        if self._stamps and self._stamps[0] == picture.pts:
            heappop(self._stamps)
        self._may_lack = False
        return picture.pts

    def finish(self) -> None:
        """Raises ``MediaDamaged`` where the file has ended and pictures have not come."""
        if self._stamps and not self._may_lack:
            raise damaged(self._path, f"its last {len(self._stamps)} frames cannot be decoded")

    def _miss(self, stamp: int, picture: VideoFrame) -> None:
        if not self._may_lack and picture.time_base is not None:
            seconds = float(stamp * picture.time_base)
            raise damaged(self._path, f"its frame at {seconds:.3f} s cannot be decoded")
