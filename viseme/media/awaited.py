"""Which packets of a picture track become pictures, and whether they did."""

from __future__ import annotations

from heapq import heappop, heappush
from pathlib import Path
from typing import TYPE_CHECKING

from .opening import damaged

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_NEEDS_KEY = frozenset({"h264", "hevc", "vp8", "vp9", "av1"})


class ShownPackets:
    """Tells the packets that are shown from those that only help to decode others."""

    def __init__(self, stream: VideoStream) -> None:
        self._codec = stream.codec_context.codec.canonical_name
        self._has_key = False

    def has(self, packet: Packet[VideoStream]) -> bool:
        """To be asked of each packet once, in the order of the file."""
        if not packet.size:
            return False
        if self._codec == "vp8" and not memoryview(packet)[0] & 0x10:
            return False  # a reference picture that is never shown
        if packet.is_keyframe or self._codec not in _NEEDS_KEY:
            self._has_key = True
        # Before the first key picture nothing can be decoded; and that picture may itself lie
        # before an edit list begins.
        return self._has_key and not packet.is_discard


class Awaited:
    """Pictures that went into a decoder and have to come out of it, in the order of their times.

    A decoder drops what it cannot decode without a word. ``has_sought`` says that decoding begins
    inside the file: there the first pictures may build on ones that were not read.
    """

    def __init__(self, path: Path, stream: VideoStream, *, has_sought: bool) -> None:
        self._path = path
        self._shown = ShownPackets(stream)
        self._stamps: list[int] = []
        self._may_lack = has_sought

    def push(self, packet: Packet[VideoStream]) -> None:
        """Note a packet that is about to be decoded."""
        if self._shown.has(packet) and packet.pts is not None:
            heappush(self._stamps, packet.pts)

    def pop(self, picture: VideoFrame) -> None:
        """Note a decoded picture. Raises ``MediaDamaged`` where one before it did not come."""
        if picture.pts is None:
            return
        while self._stamps and self._stamps[0] < picture.pts:
            self._miss(heappop(self._stamps), picture)
        if self._stamps and self._stamps[0] == picture.pts:
            heappop(self._stamps)
        self._may_lack = False

    def finish(self) -> None:
        """Raises ``MediaDamaged`` where the file has ended and pictures have not come."""
        if self._stamps and not self._may_lack:
            raise damaged(self._path, f"its last {len(self._stamps)} frames cannot be decoded")

    def _miss(self, stamp: int, picture: VideoFrame) -> None:
        if not self._may_lack and picture.time_base is not None:
            seconds = float(stamp * picture.time_base)
            raise damaged(self._path, f"its frame at {seconds:.3f} s cannot be decoded")
