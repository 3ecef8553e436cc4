"""What a file really holds: counted by its packets, or decoded; never what a header sums up."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

from ..errors import InputError, MediaDamaged, MediaTooLarge
from ..model import Clip, Recording, Sound
from .awaited import ShownPackets
from .digest import digest_file, stop_if
from .extent import check_packets, check_seconds, check_whole
from .identify import damaged, identify
from .limits import DEFAULT_LIMITS, MediaLimits
from .opening import check_picture_size, open_media
from .picture import orientation_of, pick_video, pixel_aspect_of
from .sniff import SOUND_CONTAINERS, STILLS
from .timeline import find_pace
from .track import SoundTrack, pick_sound

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

Cancel: TypeAlias = "Callable[[], bool] | None"

_MOST_PACKETS_TO_FIRST_PICTURE = 512


@dataclass(slots=True)
class _PictureScan:
    """Counts the packets of a picture track and decodes its first picture."""

    path: Path
    stream: VideoStream
    limits: MediaLimits
    stamps: array[int] = field(default_factory=lambda: array("q"))
    last_stamp: int = 0
    last_duration: int = 0
    final_end: int = 0  # of the picture that is stored last
    first_picture: VideoFrame | None = None
    seen_packets: int = 0
    shown: ShownPackets = field(init=False)

    def __post_init__(self) -> None:
        self.shown = ShownPackets(self.stream)

    def push(self, packet: Packet[VideoStream]) -> None:
        self.seen_packets += 1
        self._decode_first(packet)
        if not self.shown.has(packet):
            return
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None:
            stamp = self.last_stamp + max(self.last_duration, 1) if self.stamps else 0
        if not self.stamps or stamp >= self.last_stamp:
            self.last_stamp, self.last_duration = stamp, packet.duration or 0
        self.final_end = stamp + (packet.duration or 0)
        self.stamps.append(stamp)
        if len(self.stamps) > self.limits.max_frames:
            raise MediaTooLarge(
                f"{self.path} has more than {self.limits.max_frames} frames.",
                limit=self.limits.max_frames,
                remedy="Cut it first.",
            )

    @property
    def held_duration(self) -> int:
        """How long the last picture is shown, 0 where unknown.

        mp4 gives the time that is left to the picture that is stored last, which need not be the
        one that is shown last.
        """
        return max(self.last_duration, self.final_end - self.last_stamp)

    def _decode_first(self, packet: Packet[VideoStream]) -> None:
        if self.first_picture is not None or self.seen_packets > _MOST_PACKETS_TO_FIRST_PICTURE:
            return
        context = self.stream.codec_context
        if self.seen_packets == 1:
            # A decoder keeps a picture until it knows that none comes before it, for which it
            # decodes a few more. Told that the file ends, it gives what it has. Where that is
            # nothing, it begins anew with the same packet, on which the next ones may build.
            self._take(context.decode(packet))
            self._take(context.decode(None))
            context.flush_buffers()
        if self.first_picture is None:
            self._take(context.decode(packet))

    def _take(self, pictures: Sequence[VideoFrame]) -> None:
        if self.first_picture is None and pictures:
            self.first_picture = pictures[0]

    def flush(self) -> None:
        if self.first_picture is None and self.seen_packets:
            for picture in self.stream.codec_context.decode(None):
                self.first_picture = picture
                return


def probe_clip(
    path: Path,
    *,
    sound: bool = False,
    limits: MediaLimits = DEFAULT_LIMITS,
    digest: str | None = None,
    cancel: Cancel = None,
) -> Clip:
    """Read a video or still image whole (without decoding its pictures) and say what it is.

    Frames are counted by their packets and judged by their times. So is sound whose packets tell
    its samples (plain AAC in mp4 and mov); all other sound is counted by decoding it. With
    ``sound`` all of it is decoded, so that damage inside it shows. Memory does not grow with the
    file. ``digest`` is that of the file, where it is known already. Raises ``InputError`` (no such
    file, only sound in it), ``MediaDamaged`` (not a video, empty, cut off, without frames),
    ``MediaTooLarge`` and ``Interrupted``.
    """
    path = Path(path)
    container_name = identify(path, limits=limits)
    if container_name in SOUND_CONTAINERS:
        raise _only_sound(path)
    check_whole(path, container_name)
    with open_media(path, limits=limits) as container:
        stream = pick_video(container)
        if stream is None:
            if container.streams.audio:
                raise _only_sound(path)
            what = "picture track that can be decoded" if container.streams else "frames at all"
            raise MediaDamaged(
                f"{path} has no {what}.", value=path, remedy="Export it again, as H.264 in mp4."
            )
        scan = _PictureScan(path, stream, limits)
        track = _track_of(path, container_name, container, limits)
        _scan(container, scan, track, cancel, sound=sound)
        clip = _clip_of(path, container_name, scan, track)
        check_seconds(path, container_name, container, _end_of(scan, track))
    _check_length(path, clip.seconds, limits)
    digest = digest or digest_file(path, cancel=cancel)
    return _with_digest(clip, digest)


def probe_speech(
    path: Path,
    *,
    limits: MediaLimits = DEFAULT_LIMITS,
    digest: str | None = None,
    cancel: Cancel = None,
) -> Recording:
    """Read a sound file, or the sound track of a video, whole and say what it is.

    Samples are counted by decoding, codec padding left out. Raises as ``probe_clip`` does, and
    ``InputError`` where there is no sound.
    """
    path = Path(path)
    container_name = identify(path, limits=limits)
    if container_name in STILLS:
        raise _without_sound(path)
    check_whole(path, container_name)
    with open_media(path, limits=limits) as container:
        track = _track_of(path, container_name, container, limits)
        if track is None:
            raise _without_sound(path)
        has_video = pick_video(container) is not None
        _scan(container, None, track, cancel, sound=True)
        if not has_video and track.sample_count:
            end = track.start_seconds + Fraction(track.sample_count, track.sample_rate)
            check_seconds(path, container_name, container, end)
    check_packets(path, container_name, track.packet_count)
    if track.sample_count == 0:
        raise MediaDamaged(
            f"{path} has a sound track without a single sample.",
            value=path,
            remedy="Export it again.",
        )
    sound = _sound_of(track, track.start_seconds)
    _check_length(path, sound.seconds, limits)
    digest = digest or digest_file(path, cancel=cancel)
    return Recording(path, digest, path.stat().st_size, container_name, sound, has_video)


def _track_of(
    path: Path, container_name: str, container: InputContainer, limits: MediaLimits
) -> SoundTrack | None:
    stream = pick_sound(container)
    return None if stream is None else SoundTrack(path, container_name, stream, limits)


def _scan(
    container: InputContainer,
    scan: _PictureScan | None,
    track: SoundTrack | None,
    cancel: Cancel,
    *,
    sound: bool,
) -> None:
    streams: list[Stream] = []
    video_index = None
    if scan is not None:
        streams.append(scan.stream)
        video_index = scan.stream.index
    if track is not None:
        streams.append(track.stream)
        count_sound = track.count if sound else track.count_by_times
    for packet in container.demux(*streams):
        stop_if(cancel)
        if scan is not None and packet.stream_index == video_index:
            if packet.size:
                scan.push(cast("Packet[VideoStream]", packet))
        elif track is not None:
            count_sound(cast("Packet[AudioStream]", packet) if packet.size else None)
    if scan is not None:
        scan.flush()


def _end_of(scan: _PictureScan, track: SoundTrack | None) -> Fraction:
    """When the last picture or sound ends, on the clock of the file."""
    end = (scan.last_stamp + scan.held_duration) * (scan.stream.time_base or Fraction(0))
    if track is not None and track.sample_count:
        sounded = Fraction(track.sample_count, track.sample_rate)
        end = max(end, track.start_seconds + sounded)
    return end


def _clip_of(path: Path, container_name: str, scan: _PictureScan, track: SoundTrack | None) -> Clip:
    stream, picture = scan.stream, scan.first_picture
    if not scan.stamps:
        raise MediaDamaged(
            f"{path} has a picture track without a single frame.",
            value=path,
            remedy="Give a video with frames.",
        )
    if picture is None or stream.time_base is None:
        raise damaged(path, "not one of its frames can be decoded")
    check_picture_size(path, picture.width, picture.height, scan.limits)
    is_still = container_name in STILLS
    stamps = np.frombuffer(scan.stamps, np.int64).copy()
    stamps.sort()
    pace = find_pace(
        stamps,
        stream.time_base,
        scan.held_duration,
        (stream.average_rate, stream.guessed_rate, stream.base_rate),
    )
    first_seconds = Fraction(0) if is_still else pace.first_seconds
    orientation = orientation_of(picture)
    width, height = picture.width, picture.height
    if orientation.is_transposed:
        width, height = height, width
    has_sound = track is not None and track.sample_count > 0
    return Clip(
        path=path,
        digest="",
        size_bytes=path.stat().st_size,
        container=container_name,
        codec=stream.codec_context.codec.canonical_name,
        pixel_format=picture.format.name,
        width=width,
        height=height,
        frame_rate=Fraction(1) if is_still else pace.rate,
        frame_count=1 if is_still else pace.frame_count,
        is_constant_rate=True if is_still else pace.is_constant,
        is_still=is_still,
        has_alpha=_has_alpha(picture) or stream.metadata.get("alpha_mode") == "1",
        rotation_degrees=orientation.degrees,
        is_mirrored=orientation.is_mirrored,
        start_seconds=first_seconds,
        sound=_sound_of(track, track.start_seconds - first_seconds)
        if track is not None and has_sound
        else None,
        pixel_aspect=pixel_aspect_of(stream, orientation),
    )


def _sound_of(track: SoundTrack, start_seconds: Fraction) -> Sound:
    return Sound(
        track.codec,
        track.sample_rate,
        track.channels,
        track.sample_count,
        start_seconds,
    )


def _has_alpha(picture: VideoFrame) -> bool:
    name = picture.format.name
    return name.startswith(("yuva", "rgba", "bgra", "argb", "abgr", "gbrap", "ya8", "ya16", "pal8"))


def _with_digest(clip: Clip, digest: str) -> Clip:
    return replace(clip, digest=digest)


def _check_length(path: Path, seconds: Fraction, limits: MediaLimits) -> None:
    if seconds > limits.max_seconds:
        raise MediaTooLarge(
            f"{path} is {math.ceil(seconds)} s long; at most {limits.max_seconds} s are read.",
            value=math.ceil(seconds),
            limit=limits.max_seconds,
            remedy="Cut it first.",
        )


def _only_sound(path: Path) -> InputError:
    return InputError(
        f"{path} has sound but no picture.",
        field="--video",
        value=path,
        remedy="Give it as --audio, and a video or image as --video.",
    )


def _without_sound(path: Path) -> InputError:
    return InputError(
        f"{path} has no sound.",
        field="--audio",
        value=path,
        remedy="Give a file with a sound track as --audio.",
    )
