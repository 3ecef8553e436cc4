"""The values that Viseme passes around: frozen, without behaviour beyond arithmetic.

Time is exact: ``Fraction`` for rates and seconds, integers for frames and samples. Money is
``Decimal`` US dollars.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias


class Vendor(str, Enum):
    """Who is paid. The value is the name used in settings, on the command line and in JSON."""

    FAL = "fal"
    AIMLAPI = "aimlapi"
    RUNWARE = "runware"

    @property
    def label(self) -> str:
        return {"fal": "fal", "aimlapi": "AI/ML API", "runware": "Runware"}[self.value]


class Carry(str, Enum):
    """How a medium travels to the vendor."""

    AUTO = "auto"
    INLINE = "inline"
    UPLOAD = "upload"
    REFERENCE = "reference"  # a URL or UUID that the user gave; nothing of ours is sent


@dataclass(frozen=True, slots=True)
class Sound:
    """The sound of a clip or of a recording: counted by decoding it, or by packets that tell.

    ``sample_count`` is per channel, without codec padding. ``start_seconds`` is when the first
    sample sounds, relative to the first picture for a clip and to zero for a recording.
    """

    codec: str
    sample_rate: int
    channels: int
    sample_count: int
    start_seconds: Fraction = Fraction(0)

    @property
    def seconds(self) -> Fraction:
        return Fraction(self.sample_count, self.sample_rate)


@dataclass(frozen=True, slots=True)
class FileState:
    """What the system says of a file without reading it; times in nanoseconds since 1970.

    ``changed_ns`` is when its bytes, its name or its rights changed last (where the system tells).
    """

    size_bytes: int
    modified_ns: int
    changed_ns: int
    device: int
    inode: int

    @classmethod
    def of(cls, found: os.stat_result) -> FileState:
        """Of what ``os.stat`` found."""
        return cls(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_dev, found.st_ino)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The file that a medium was read from: BLAKE3 of its bytes, and its state while it was read.

    By it is known, before anything is bought, that what was sent is what was read.
    """

    path: Path
    digest: str
    state: FileState


@dataclass(frozen=True, slots=True)
class Clip:
    """A video, or a still image that stands for one; every number counted, none from a header.

    ``width`` and ``height`` are as displayed, rotation applied, in pixels; ``pixel_aspect`` is how
    many times wider than high a pixel is shown (16/15 for PAL video at 4:3). ``frame_rate`` is the
    constant rate at which the clip plays or, where ``is_constant_rate`` is false, the one it is
    made constant at; ``frame_count`` counts frames at that rate (1 for a still, whose
    ``frame_rate`` is 1). ``start_seconds`` is the first picture's presentation time in the file.
    ``digest`` identifies the source (BLAKE3 of the bytes, with the trim window where there is
    one; of samples and rate where the source was a tensor), never an encoding of ours.
    ``container`` is one of mp4 mov matroska webm avi png jpeg webp. ``source`` is the file where
    there is one; of a trim window it is the whole clip's. ``is_mirrored`` says that no turn alone
    makes the coded pictures those that are shown; ``rotation_degrees`` is 0 then.
    """

    path: Path
    digest: str
    size_bytes: int
    container: str
    codec: str
    pixel_format: str
    width: int
    height: int
    frame_rate: Fraction
    frame_count: int
    is_constant_rate: bool = True
    is_still: bool = False
    has_alpha: bool = False
    rotation_degrees: int = 0
    is_mirrored: bool = False
    start_seconds: Fraction = Fraction(0)
    sound: Sound | None = None
    pixel_aspect: Fraction = Fraction(1)
    source: SourceFile | None = field(default=None, compare=False, repr=False)

    @property
    def seconds(self) -> Fraction:
        return self.frame_count / self.frame_rate

    @property
    def is_upright(self) -> bool:
        """Whether pictures are shown as they are coded."""
        return self.rotation_degrees == 0 and not self.is_mirrored


@dataclass(frozen=True, slots=True)
class Recording:
    """Recorded speech: a sound file, or the sound track of a video.

    ``container`` is one of wav mp3 flac ogg aac mp4 mov matroska webm avi. ``digest`` and
    ``source`` as for ``Clip``.
    """

    path: Path
    digest: str
    size_bytes: int
    container: str
    sound: Sound
    has_video: bool = False
    source: SourceFile | None = field(default=None, compare=False, repr=False)

    @property
    def seconds(self) -> Fraction:
        return self.sound.seconds


@dataclass(frozen=True, slots=True)
class SpokenText:
    """Text for the vendor's own voice. ``voice`` None is the endpoint's default voice."""

    text: str
    voice: str | None = None


@dataclass(frozen=True, slots=True)
class RemoteMedia:
    """A medium that the vendor fetches itself: an https URL, or a UUID where the vendor has them.

    Nothing is known of its length or size.
    """

    reference: str


Footage: TypeAlias = "Clip | RemoteMedia"
Speech: TypeAlias = "Recording | SpokenText | RemoteMedia"


@dataclass(frozen=True, slots=True)
class InlineMedia:
    """A file that stands in a request body as a data URI; it is read while the body is sent.

    ``digest`` is BLAKE3 of the bytes that are to be sent, where it is known.
    """

    path: Path
    media_type: str
    size_bytes: int
    digest: str | None = None

    @property
    def uri_bytes(self) -> int:
        """Length of ``data:<type>;base64,<data>``."""
        return len(f"data:{self.media_type};base64,") + 4 * -(-self.size_bytes // 3)


Carried: TypeAlias = "str | InlineMedia"


@dataclass(frozen=True, slots=True)
class Timing:
    """The predicted result. ``None`` is unknown; ``basis`` says from what it follows.

    ``frame_count_least`` and ``frame_count_most`` are equal where the length is certain.
    """

    frame_count_least: int | None
    frame_count_most: int | None
    frame_rate: Fraction | None
    width: int | None
    height: int | None
    basis: str
    is_assumed: bool = False

    @property
    def seconds_least(self) -> Fraction | None:
        if self.frame_count_least is None or self.frame_rate is None:
            return None
        return self.frame_count_least / self.frame_rate

    @property
    def seconds_most(self) -> Fraction | None:
        if self.frame_count_most is None or self.frame_rate is None:
            return None
        return self.frame_count_most / self.frame_rate


@dataclass(frozen=True, slots=True)
class Quote:
    """What a purchase costs, in US dollars, for all its items together.

    Either both amounts are known (equal where the price is certain), or both are ``None`` and
    ``unknown_reason`` says why. ``basis`` says how the amounts follow from the vendor's price.
    """

    least_usd: Decimal | None
    most_usd: Decimal | None
    basis: str
    unknown_reason: str | None = None

    @classmethod
    def unknown(cls, reason: str) -> Quote:
        return cls(None, None, "", reason)


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One paid submission as the vendor's documents have it, before a service sends it.

    ``path`` is appended to where the vendor takes submissions: its base URL, and the path that all
    its models have in common. ``body`` is JSON in which an ``InlineMedia`` may stand wherever a
    media string may.
    """

    path: str
    body: Mapping[str, Any]
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ResultItem:
    """One result in a vendor's answer: a URL to fetch it from, or the data itself.

    ``data`` is base64 text or a data URI. ``vendor_id`` is the vendor's name for this item.
    """

    url: str | None = None
    data: str | None = None
    vendor_id: str | None = None


@dataclass(frozen=True, slots=True)
class VendorResult:
    """A vendor's whole answer for a job that ended well.

    ``vendor_output`` holds every documented field, media bytes left out. ``cost_usd`` is what the
    vendor says it charged, where it does. ``expected_items`` over ``len(items)`` is a partial end;
    ``notes`` says what the vendor says of the missing ones.
    """

    items: tuple[ResultItem, ...]
    vendor_output: Mapping[str, Any]
    cost_usd: Decimal | None = None
    expected_items: int = 1
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Purchase:
    """One job as planned: what will be asked of which endpoint, and what should come back."""

    endpoint_id: str
    arguments: Mapping[str, Any]
    footage: Footage
    speech: Speech
    timing: Timing
    quote: Quote
    item_count: int = 1
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What would happen. Pure: making one costs nothing and sends nothing."""

    purchases: tuple[Purchase, ...]
