"""An mp4 file into frames and sound: our way, those of peers, and the limits."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from blake3 import blake3

from viseme import media
from viseme.media.check_work import decode_all

from .core import core
from .encoders import QUIET
from .work import Facts, Job, run_program


class Decode:
    """One way to read a file. ``frames`` and ``waveform`` are what came out, if anything."""

    def __init__(self, path: Path, *, digest: bool) -> None:
        self.path = path
        self._digest = digest
        self.frames: torch.Tensor | None = None
        self.waveform: torch.Tensor | None = None

    def run(self) -> None:
        raise NotImplementedError

    def facts(self) -> Facts:
        """With ``digest``, BLAKE3 of the frames: two of the same are equal to the last bit."""
        frames, self.frames = self.frames, None
        waveform, self.waveform = self.waveform, None
        found: Facts = {}
        if frames is not None:
            found |= {"shape": list(frames.shape), "tensor_bytes": frames.nbytes}
            if self._digest:
                hasher = blake3(str(tuple(frames.shape)).encode())
                for frame in frames:
                    hasher.update(np.ascontiguousarray(frame.numpy()).view(np.uint8).data)
                found["digest"] = hasher.hexdigest()
        if waveform is not None:
            found["samples"] = waveform.shape[-1]
        return found


class Ours(Decode):
    accurate_colours = False

    def run(self) -> None:
        clip = media.probe_clip(self.path)
        frames = media.decode_frames(clip, accurate_colours=self.accurate_colours)
        self.frames = torch.from_numpy(frames)
        if clip.sound is not None:
            self.waveform = torch.from_numpy(media.decode_sound(clip)[0])


class Accurate(Ours):
    accurate_colours = True


class Checked(Decode):
    """Every picture decoded once, to nothing, as files of others are before their frames are."""

    def run(self) -> None:
        decode_all(media.probe_clip(self.path), media.DEFAULT_LIMITS)


class Core(Decode):
    def __init__(self, path: Path, *, digest: bool) -> None:
        super().__init__(path, digest=digest)
        self.video_class = core().InputImpl.VideoFromFile

    def run(self) -> None:
        parts = self.video_class(str(self.path)).get_components()
        self.frames = parts.images
        self.waveform = None if parts.audio is None else parts.audio["waveform"]


class Naive(Decode):
    """A list of float frames, stacked."""

    def run(self) -> None:
        with av.open(str(self.path)) as container:
            pictures = [
                torch.from_numpy(frame.to_ndarray(format="rgb24")).float() / 255
                for frame in container.decode(video=0)
            ]
        self.frames = torch.stack(pictures)
        with av.open(str(self.path)) as container:
            if container.streams.audio:
                pieces = [frame.to_ndarray() for frame in container.decode(audio=0)]
                self.waveform = torch.from_numpy(np.concatenate(pieces, axis=1)).unsqueeze(0)


class OpenCv(Decode):
    """VideoHelperSuite's way: OpenCV, and an array that grows from a generator."""

    def __init__(self, path: Path, *, digest: bool) -> None:
        super().__init__(path, digest=digest)
        self.cv2 = importlib.import_module("cv2")

    def run(self) -> None:
        cv2 = self.cv2
        video = cv2.VideoCapture(str(self.path))
        width = int(video.get(cv2.CAP_PROP_FRAME_WIDTH))
        height = int(video.get(cv2.CAP_PROP_FRAME_HEIGHT))

        def pictures() -> Any:
            while video.grab():
                _, picture = video.retrieve()
                rgb = np.array(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.float32)
                rgb /= 255
                yield rgb

        frames = np.fromiter(pictures(), np.dtype((np.float32, (height, width, 3))))
        self.frames = torch.from_numpy(frames)


class PyAvAlone(Decode):
    """A limit: pictures decoded by PyAV with all threads, and thrown away as they are coded."""

    def run(self) -> None:
        with av.open(str(self.path)) as container:
            container.streams.video[0].thread_type = "AUTO"
            for _ in container.decode(video=0):
                pass


class Command(Decode):
    """A limit: the ffmpeg command to bytes of RGB, which go nowhere."""

    def run(self) -> None:
        raw = ("-pix_fmt", "rgb24", "-f", "rawvideo", "/dev/null")
        run_program([*QUIET, "-i", str(self.path), *raw])


METHODS: dict[str, type[Decode]] = {
    "ours": Ours,
    "ours-accurate": Accurate,
    "ours-checked": Checked,
    "core": Core,
    "opencv": OpenCv,
    "naive": Naive,
    "ffmpeg": Command,
    "pyav": PyAvAlone,
}


def prepare(job: Job) -> Decode:
    return METHODS[job["method"]](Path(job["path"]), digest=bool(job.get("digest")))
