"""Nodes for the tests of the host: sources of odd media, a neighbour that fails, and a recorder.

ComfyUI loads this folder as a pack of its own, beside the one that is tested.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import io as bytes_io
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import comfy.model_management
import torch
from comfy_api.latest import ComfyExtension, Input, InputImpl, io
from comfy_execution.graph_utils import GraphBuilder

CATEGORY = "Viseme tests"


class HelperFail(io.ComfyNode):
    """Fails after some seconds, or once there is a file at ``when``."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="HelperFail",
            category=CATEGORY,
            inputs=[
                io.Float.Input("seconds", default=0.0, min=0.0, max=600.0, optional=True),
                io.String.Input("when", default="", optional=True),
            ],
            is_output_node=True,
        )

    @classmethod
    async def execute(cls, seconds: float = 0.0, when: str = "") -> Any:
        await asyncio.sleep(seconds)
        while when and not Path(when).exists():
            await asyncio.sleep(0.01)
        raise RuntimeError("The neighbour failed on purpose.")


class HelperSleep(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="HelperSleep",
            category=CATEGORY,
            inputs=[io.Float.Input("seconds", default=0.0, min=0.0, max=600.0, optional=True)],
            is_output_node=True,
            not_idempotent=True,
        )

    @classmethod
    async def execute(cls, seconds: float = 0.0) -> Any:
        await asyncio.sleep(seconds)
        return io.NodeOutput(ui={"text": [f"slept {seconds} s"]})


_seen: set[str] = set()  # files of which functions have run on the thread that is watched


def _see(frame: Any, event: str, _: Any) -> None:
    if event == "call":
        _seen.add(frame.f_code.co_filename)


class HelperWatch(io.ComfyNode):
    """Begins to watch what runs on the thread of the prompt's loop; passes its frames on."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="HelperWatch",
            category=CATEGORY,
            inputs=[io.Image.Input("frames")],
            outputs=[io.Image.Output("frames")],
        )

    @classmethod
    def execute(cls, frames: Any) -> Any:
        _seen.clear()
        gc.disable()  # what others have left is not to be wound up on this thread now
        sys.setprofile(_see)  # of this thread alone
        return io.NodeOutput(frames)


class HelperSeen(io.ComfyNode):
    """Ends the watch once there is ``after``; says which files below ``pack`` were seen."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="HelperSeen",
            category=CATEGORY,
            inputs=[io.AnyType.Input("after"), io.String.Input("pack")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, after: Any, pack: str) -> Any:
        sys.setprofile(None)
        gc.enable()
        folder = Path(pack).resolve()
        paths = [Path(name).resolve() for name in _seen]
        files = sorted(str(path.relative_to(folder)) for path in paths if folder in path.parents)
        return io.NodeOutput(ui={"text": [json.dumps(files)]})


class HelperInterruptible(io.ComfyNode):
    """Waits as a careful pack would: looks for an interruption all the time, and clears it."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="HelperInterruptible",
            category=CATEGORY,
            inputs=[],
            is_output_node=True,
            not_idempotent=True,
        )

    @classmethod
    async def execute(cls) -> Any:
        while True:
            comfy.model_management.throw_exception_if_processing_interrupted()
            await asyncio.sleep(0.001)


class HelperRecord(io.ComfyNode):
    """Says what it was given: one entry for each item of a list."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="HelperRecord",
            category=CATEGORY,
            inputs=[io.AnyType.Input("value")],
            outputs=[io.String.Output("facts")],
            is_output_node=True,
            is_input_list=True,
        )

    @classmethod
    def execute(cls, value: list[Any]) -> Any:
        facts = json.dumps([facts_of(item) for item in value])
        return io.NodeOutput(facts, ui={"text": [facts]})


def facts_of(item: Any) -> dict[str, Any]:
    if isinstance(item, torch.Tensor):
        return {"type": "image", **tensor_facts(item)}
    if isinstance(item, Mapping) and "waveform" in item:
        return {
            "type": "audio",
            "sample_rate": int(item["sample_rate"]),
            **tensor_facts(item["waveform"]),
        }
    if isinstance(item, Input.Video):
        source = item.get_stream_source()
        return {
            "type": "video",
            "made_by": type(item).__name__,
            "source": source if isinstance(source, str) else None,
            "size": list(item.get_dimensions()),
            "seconds": float(item.get_duration()),
        }
    return {"type": type(item).__name__, "value": item if is_plain(item) else repr(item)}


def tensor_facts(tensor: Any) -> dict[str, Any]:
    data = tensor.contiguous().numpy().tobytes()
    return {
        "shape": list(tensor.shape),
        "dtype": str(tensor.dtype),
        "least": float(tensor.min()),
        "most": float(tensor.max()),
        "mean": float(tensor.mean()),
        "digest": hashlib.sha256(data).hexdigest(),
    }


def is_plain(item: Any) -> bool:
    return item is None or isinstance(item, (str, int, float, bool))


class HelperFrames(io.ComfyNode):
    """A lighter square that wanders over a grey picture."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="HelperFrames",
            category=CATEGORY,
            inputs=[
                io.Int.Input("width", default=256, min=2, max=4096, optional=True),
                io.Int.Input("height", default=256, min=2, max=4096, optional=True),
                io.Int.Input("count", default=25, min=1, max=20_000, optional=True),
                io.Int.Input("channels", default=3, min=3, max=4, optional=True),
                io.Boolean.Input("has_nan", default=False, optional=True),
                io.Int.Input("seed", default=0, min=0, max=2**31, optional=True),
            ],
            outputs=[io.Image.Output("frames")],
        )

    @classmethod
    def execute(
        cls,
        width: int = 256,
        height: int = 256,
        count: int = 25,
        channels: int = 3,
        has_nan: bool = False,
        seed: int = 0,
    ) -> Any:
        grey = 0.2 + 0.002 * (seed % 100)
        frames = torch.full((count, height, width, channels), grey, dtype=torch.float32)
        side = max(1, min(width, height) // 4)
        for number, frame in enumerate(frames):
            left = (number * 3 + seed) % max(1, width - side)
            frame[:side, left : left + side, :3] = 0.8
        if channels == 4:
            frames[..., 3] = 0.5
        if has_nan:
            frames[:, 0, 0, 0] = float("nan")
            frames[:, 0, 1, 0] = float("inf")
            frames[:, 0, 2, 0] = -3.0
        return io.NodeOutput(frames)


class LazyAudio(Mapping[str, Any]):
    """As some loaders pass sound: a mapping that reads when asked, and no dict."""

    def __init__(self, waveform: Any, sample_rate: int) -> None:
        self._values = {"waveform": waveform, "sample_rate": sample_rate}

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class HelperAudio(io.ComfyNode):
    """A tone that grows, so that any cut shows; or silence."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="HelperAudio",
            category=CATEGORY,
            inputs=[
                io.Float.Input("seconds", default=1.0, min=0.0, max=3600.0, optional=True),
                io.Int.Input("sample_rate", default=16_000, min=1, max=384_000, optional=True),
                io.Int.Input("channels", default=1, min=1, max=8, optional=True),
                io.Int.Input("batch", default=1, min=0, max=8, optional=True),
                io.Boolean.Input("is_silent", default=False, optional=True),
                io.Boolean.Input("is_lazy", default=False, optional=True),
                io.Int.Input("seed", default=0, min=0, max=2**31, optional=True),
            ],
            outputs=[io.Audio.Output("audio")],
        )

    @classmethod
    def execute(
        cls,
        seconds: float = 1.0,
        sample_rate: int = 16_000,
        channels: int = 1,
        batch: int = 1,
        is_silent: bool = False,
        is_lazy: bool = False,
        seed: int = 0,
    ) -> Any:
        count = round(seconds * sample_rate)
        time_axis = torch.arange(count, dtype=torch.float32) / sample_rate
        tone = torch.sin(2 * torch.pi * (200 + seed % 400) * time_axis)
        swell = torch.linspace(0, 0.5, count) * (0 if is_silent else 1)
        waveform = (swell * tone).expand(batch, channels, count).clone()
        if is_lazy:
            return io.NodeOutput(LazyAudio(waveform, sample_rate))
        return io.NodeOutput({"waveform": waveform, "sample_rate": sample_rate})


class HelperVideoFile(io.ComfyNode):
    """A VIDEO of a file, or of its bytes in memory."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="HelperVideoFile",
            category=CATEGORY,
            inputs=[
                io.String.Input("path"),
                io.Boolean.Input("in_memory", default=False, optional=True),
            ],
            outputs=[io.Video.Output("video")],
        )

    @classmethod
    def execute(cls, path: str, in_memory: bool = False) -> Any:
        source = bytes_io.BytesIO(Path(path).read_bytes()) if in_memory else path
        return io.NodeOutput(InputImpl.VideoFromFile(source))


class ShortenedVideo(InputImpl.VideoFromFile):
    """Edited but not yet written, as ComfyUI from 0.37 on has VIDEO: only ``save_to`` edits it."""

    def __init__(self, source: Any, frame_count: int) -> None:
        super().__init__(source)
        self._frame_count = frame_count

    def has_pending_frame_edits(self) -> bool:
        return True

    def save_to(self, path: Any, *given: Any, **more: Any) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass  # a thread of its own
        else:
            raise ValueError("a video is written where other nodes wait to be run")
        parts = self.get_components()
        parts.images = parts.images[: self._frame_count]
        InputImpl.VideoFromComponents(parts).save_to(path, *given, **more)


class HelperShortened(io.ComfyNode):
    """The first frames of a file, or of its bytes in memory: an edit that is still to be made."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="HelperShortened",
            category=CATEGORY,
            inputs=[
                io.String.Input("path"),
                io.Int.Input("frame_count", min=1, max=1000),
                io.Boolean.Input("in_memory", default=False, optional=True),
            ],
            outputs=[io.Video.Output("video")],
        )

    @classmethod
    def execute(cls, path: str, frame_count: int, in_memory: bool = False) -> Any:
        source = bytes_io.BytesIO(Path(path).read_bytes()) if in_memory else path
        return io.NodeOutput(ShortenedVideo(source, frame_count))


class HelperExpand(io.ComfyNode):
    """Becomes ``count`` nodes of one class, each given the video that the one before it made."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="HelperExpand",
            category=CATEGORY,
            inputs=[
                io.String.Input("class_type"),
                io.AnyType.Input("media"),
                io.Audio.Input("audio", optional=True),
                io.String.Input("widgets", default="{}", optional=True),
                io.Int.Input("count", default=1, min=1, max=8, optional=True),
            ],
            outputs=[
                io.Video.Output("video"),
                io.Image.Output("frames"),
                io.Audio.Output("audio"),
                io.Float.Output("frame_rate"),
                io.String.Output("receipt"),
            ],
            enable_expand=True,
        )

    @classmethod
    def execute(
        cls,
        class_type: str,
        media: Any,
        audio: Any = None,
        widgets: str = "{}",
        count: int = 1,
    ) -> Any:
        graph = GraphBuilder()
        given = json.loads(widgets)
        if audio is not None:
            given["audio"] = audio
        for _ in range(count):
            node = graph.node(class_type, media=media, **given)
            media = node.out(0)
        return io.NodeOutput(*(node.out(number) for number in range(5)), expand=graph.finalize())


class HelperStopped(io.ComfyNode):
    """Waits on the tested pack's thread for work that is stopped there, though nobody stops this.

    ``how``: ``interrupted`` as by an interrupt of another run, else its task is cancelled.
    """

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="HelperStopped",
            category=CATEGORY,
            inputs=[io.String.Input("how")],
            hidden=[io.Hidden.unique_id],
            is_output_node=True,
        )

    @classmethod
    async def execute(cls, how: str) -> Any:
        [runner] = [
            module for name, module in sys.modules.items() if name.endswith("nodes._runner")
        ]

        async def work(execution: Any) -> None:
            if how != "interrupted":
                raise asyncio.CancelledError
            raise runner.Interrupted("Stopped by the user.", job_id="JOB-OF-BOTH")

        await runner.on_runner(work, cls.hidden.unique_id)
        return io.NodeOutput()


class HelperExtension(ComfyExtension):
    async def get_node_list(self) -> list[Any]:
        return [
            HelperFail,
            HelperSleep,
            HelperWatch,
            HelperSeen,
            HelperInterruptible,
            HelperRecord,
            HelperFrames,
            HelperAudio,
            HelperVideoFile,
            HelperShortened,
            HelperExpand,
            HelperStopped,
        ]


async def comfy_entrypoint() -> HelperExtension:
    return HelperExtension()
