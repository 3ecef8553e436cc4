"""A file that is taken as it is, or counted, one that gets other sound, and a part of one."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import av
from blake3 import blake3

from viseme import media
from viseme.bodies import FileBody
from viseme.model import Clip

from .core import core
from .source import Source
from .work import Facts, Job, Work

CONTAINERS = ("mp4", "mov", "webm")
CODECS = ("h264", "hevc", "vp9", "aac", "mp3")


class Untouched:
    """Our way with a file that the endpoint takes: it is read once, and sent as it is."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path = path
        self.folder = folder
        self._digest = _digest_of(path)
        self.sent: FileBody | None = None

    def run(self) -> None:
        clip = media.probe_clip(self.path)
        sent = media.conform_clip(clip, self.folder, containers=CONTAINERS, codecs=CODECS)
        self.sent = FileBody(sent.path, 0, sent.size_bytes, clip.digest)

    def facts(self) -> Facts:
        """``is_same``: the bytes that would be sent are those that the file had before."""
        hasher = blake3()
        for chunk in () if self.sent is None else self.sent.chunks():
            hasher.update(chunk)
        return {"is_same": hasher.hexdigest() == self._digest}


class Counted:
    """A clip of which the digest is known, as that of a result: read and counted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clip: Clip | None = None

    def run(self) -> None:
        self.clip = media.probe_clip(self.path, digest="known")

    def facts(self) -> Facts:
        sound = None if self.clip is None else self.clip.sound
        return {"sample_count": 0 if sound is None else sound.sample_count}


def _digest_of(path: Path) -> str:
    """By the hash's own reading of the file, not by ours."""
    hasher = blake3()
    hasher.update_mmap(path)
    return hasher.hexdigest()


def pictures_of(path: Path, start: int = 0, stop: int | None = None) -> list[str]:
    """The digest of each coded picture, as they are stored, from one to another."""
    with av.open(str(path)) as container:
        packets = (packet for packet in container.demux(video=0) if packet.size)
        return [blake3(bytes(packet)).hexdigest() for packet in islice(packets, start, stop)]


class Replaced:
    """Our way to other sound: pictures are copied as they are coded."""

    def __init__(self, path: Path, folder: Path, source: Source) -> None:
        self.path = path
        self.target = folder / "replaced.mp4"
        self.sound = (source.waveform(), source.sample_rate)

    def run(self) -> None:
        media.replace_sound(media.probe_clip(self.path), self.sound, self.target)

    def facts(self) -> Facts:
        """``is_same``: each picture is coded as it was in the file."""
        is_same = pictures_of(self.target) == pictures_of(self.path)
        return {"size_bytes": self.target.stat().st_size, "is_same": is_same}


class CoreReplaced(Replaced):
    """ComfyUI's way: Get Video Components, Create Video, Save Video."""

    def __init__(self, path: Path, folder: Path, source: Source) -> None:
        super().__init__(path, folder, source)
        self.target = folder / "replaced-core.mp4"
        self.audio = source.audio()
        self.latest = core()

    def run(self) -> None:
        latest = self.latest
        parts = latest.InputImpl.VideoFromFile(str(self.path)).get_components()
        changed = latest.Types.VideoComponents(
            images=parts.images, audio=self.audio, frame_rate=parts.frame_rate
        )
        latest.InputImpl.VideoFromComponents(changed).save_to(str(self.target))

    def facts(self) -> Facts:
        return {"size_bytes": self.target.stat().st_size}


class Trimmed:
    """Our way to a part that begins at a key picture: its packets are copied."""

    def __init__(self, path: Path, folder: Path, window: tuple[int, int]) -> None:
        self.path = path
        self.target = folder / "trimmed.mp4"
        self.window = window

    def run(self) -> None:
        media.trim_clip(media.probe_clip(self.path), self.target, *self.window)

    def facts(self) -> Facts:
        """``is_same``: each picture is coded as it was in the file."""
        is_same = pictures_of(self.target) == pictures_of(self.path, *self.window)
        return {"size_bytes": self.target.stat().st_size, "is_same": is_same}


class CoreTrimmed(Trimmed):
    """ComfyUI's way: Video Slice, Save Video, by which it is decoded and encoded anew."""

    def __init__(self, path: Path, folder: Path, window: tuple[int, int]) -> None:
        super().__init__(path, folder, window)
        self.target = folder / "trimmed-core.mp4"
        self.video_class = core().InputImpl.VideoFromFile
        rate = media.probe_clip(path).frame_rate
        start, stop = (float(frame / rate) for frame in window)
        self.times = {"start_time": start, "duration": stop - start}

    def run(self) -> None:
        self.video_class(str(self.path), **self.times).save_to(str(self.target))

    def facts(self) -> Facts:
        return {"size_bytes": self.target.stat().st_size}


def prepare(job: Job) -> Work:
    path, folder = Path(job["path"]), Path(job["folder"])
    if job["method"] == "untouched":
        return Untouched(path, folder)
    if job["method"] == "count":
        return Counted(path)
    if job["method"] in ("trim", "core-trim"):
        trimmed = Trimmed if job["method"] == "trim" else CoreTrimmed
        return trimmed(path, folder, (job["window"][0], job["window"][1]))
    ways = {"replace": Replaced, "core-replace": CoreReplaced}
    return ways[job["method"]](path, folder, Source.of(job))
