"""Sample Clip: a talking head and speech that come with the pack, so that templates run at once."""

from __future__ import annotations

import asyncio
from typing import Any

from comfy_api.latest import InputImpl, io

from ..viseme.samples import sample_clip_path, sample_portrait_path, sample_speech_path


class SampleClip(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="VisemeSampleClip",
            display_name="Sample Clip",
            category="Viseme",
            description="A short talking head, speech for it and a portrait, to try lip-sync with "
            "before you bring media of your own. The face is drawn and the voice is synthetic; "
            "both were made for Viseme and come under its licence.",
            search_aliases=[
                "example video",
                "demo video",
                "test clip",
                "talking head",
                "sample speech",
                "sample audio",
                "portrait",
            ],
            inputs=[],
            outputs=[
                io.Video.Output(
                    "video",
                    tooltip="A drawn face that looks at you: 512x512, 25 frames a second, 5 "
                    "seconds, without sound.",
                ),
                io.Audio.Output(
                    "audio",
                    tooltip="A synthetic voice that says two sentences in about 5 seconds, mono.",
                ),
                io.Image.Output(
                    "image",
                    tooltip="The first frame of the clip as a still image, for models that bring "
                    "a portrait to life.",
                ),
            ],
        )

    @classmethod
    async def execute(cls, **_extra: Any) -> io.NodeOutput:
        speech, portrait = await asyncio.to_thread(_decode)
        return io.NodeOutput(InputImpl.VideoFromFile(str(sample_clip_path())), speech, portrait)


def _decode() -> tuple[dict[str, Any], Any]:
    """The speech as AUDIO and the portrait as IMAGE."""
    import torch

    from ..viseme.media import decode_frames, decode_sound, probe_clip

    waveform, sample_rate = decode_sound(sample_speech_path())
    portrait = decode_frames(probe_clip(sample_portrait_path()))
    audio = {"waveform": torch.from_numpy(waveform.copy()), "sample_rate": sample_rate}
    return audio, torch.from_numpy(portrait)
