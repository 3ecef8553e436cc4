"""What the lip-sync nodes have in common: inputs, outputs, and how their widgets are checked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from comfy_api.latest import io

from ..viseme.errors import VisemeError
from ..viseme.jobs.wish import MOST_TAKES
from ..viseme.model import Carry
from ._errors import node_error
from ._inputs import check_values

CATEGORY = "Viseme"
SANDBOX, LIVE = "sandbox (free)", "live (paid)"
CONNECTED, TEXT = "connected audio", "text"
DEFAULT_FPS = 25.0
MOST_FPS = 240.0
ALIASES = ["lip sync", "lipsync", "lip-sync", "talking head", "dubbing", "mouth", "viseme"]
DECODED_OUTPUTS = {"frames": 1, "audio": 2}


@dataclass(frozen=True)
class RunOptions:
    """The widgets that every lip-sync node has."""

    is_live: bool
    source_fps: float
    video_url: str
    audio_url: str
    carry: Carry
    max_usd: Decimal | None
    take: int
    time_limit_seconds: float | None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> RunOptions:
        """From the node's checked inputs; what is missing has its default."""
        max_usd = Decimal(str(values.get("max_price_usd") or 0))
        return cls(
            values.get("run_on", SANDBOX) == LIVE,
            float(values.get("source_fps") or DEFAULT_FPS),
            str(values.get("video_url") or "").strip(),
            str(values.get("audio_url") or "").strip(),
            Carry(values.get("carry") or Carry.AUTO),
            max_usd or None,
            int(values.get("take") or 1),
            float(values.get("time_limit_seconds") or 0) or None,
        )


def media_inputs(media_tooltip: str) -> list[Any]:
    """The two sockets."""
    return [
        io.MultiType.Input(
            "media", types=[io.Video, io.Image], optional=True, tooltip=media_tooltip
        ),
        io.Audio.Input(
            "audio",
            optional=True,
            tooltip="The speech, mono or stereo; more channels are mixed down. It is sent as a "
            "sound file.",
        ),
    ]


def run_on_input() -> Any:
    return io.Combo.Input(
        "run_on",
        options=[SANDBOX, LIVE],
        default=SANDBOX,
        optional=True,
        tooltip="sandbox: the vendor is simulated on this machine, free and without a key; the "
        "picture says SANDBOX. live: the vendor is asked and paid with your own key.",
    )


def source_fps_input() -> Any:
    return io.Float.Input(
        "source_fps",
        default=DEFAULT_FPS,
        min=1.0,
        max=MOST_FPS,
        step=0.001,
        optional=True,
        advanced=True,
        tooltip="Frames per second of connected images. 23.976, 29.97 and 59.94 mean the exact "
        "broadcast rates. A VIDEO has its own rate.",
    )


def speech_input(voices: Collection[str], audio_words: str, text_tooltip: str) -> Any:
    """Recorded or spoken by the vendor. Sockets inside of an option would lose their links.

    ``audio_words`` says what recorded speech is taken from.
    """
    text = io.String.Input("text", default="", multiline=True, optional=True, tooltip=text_tooltip)
    voice = io.Combo.Input(
        "voice",
        options=list(voices),
        default=next(iter(voices)),
        optional=True,
        tooltip="Who speaks the text. Auto leaves it to the vendor.",
    )
    return io.DynamicCombo.Input(
        "speech",
        options=[
            io.DynamicCombo.Option(CONNECTED, []),
            io.DynamicCombo.Option(TEXT, [text, voice]),
        ],
        optional=True,
        tooltip=f"connected audio: {audio_words} is said. text: the vendor's voice says the text, "
        "and connected audio is not used.",
    )


def run_inputs(*, has_vendors: bool = False) -> list[Any]:
    """The rare ones, in the order that saved workflows count on.

    ``has_vendors`` says that the node sells at more than fal, and what differs between vendors.
    """
    or_uuid = " (Runware: or the UUID of media kept there)" if has_vendors else ""
    suits = (
        "suits the vendor and the size. AI/ML API has no upload, Runware nothing else."
        if has_vendors
        else "suits the size."
    )
    return [
        source_fps_input(),
        io.String.Input(
            "video_url",
            default="",
            optional=True,
            advanced=True,
            tooltip=f"An https URL in place of media, which the vendor fetches itself{or_uuid}. "
            "Length and price are not known beforehand then.",
        ),
        io.String.Input(
            "audio_url",
            default="",
            optional=True,
            advanced=True,
            tooltip=f"An https URL in place of audio, which the vendor fetches itself{or_uuid}.",
        ),
        io.Combo.Input(
            "carry",
            options=[Carry.AUTO.value, Carry.INLINE.value, Carry.UPLOAD.value],
            default=Carry.AUTO.value,
            optional=True,
            advanced=True,
            tooltip="How media travel: inline in the request, or uploaded to the vendor first. "
            f"auto takes what {suits}",
        ),
        io.Float.Input(
            "max_price_usd",
            default=0.0,
            min=0.0,
            max=10000.0,
            step=0.01,
            optional=True,
            advanced=True,
            tooltip="Do not buy for more US dollars than this; nothing is sent then. An unknown "
            "price counts as more. 0: no cap but those in Viseme's settings.",
        ),
        io.Int.Input(
            "take",
            default=1,
            min=1,
            max=MOST_TAKES,
            step=1,
            optional=True,
            advanced=True,
            control_after_generate=False,
            tooltip="The same inputs with the same take are bought once, however often they run. "
            "Another number buys another take.",
        ),
        io.Float.Input(
            "time_limit_seconds",
            default=0.0,
            min=0.0,
            max=7 * 24 * 3600.0,
            step=1.0,
            optional=True,
            advanced=True,
            tooltip="Stop waiting after so many seconds. The job runs on at the vendor, and the "
            "next run comes back to it; one that was not sent yet is given up, unpaid. 0: as long "
            "as Viseme's settings allow, an hour by default.",
        ),
    ]


def result_outputs(is_list: bool = False) -> list[Any]:
    """The five outputs of everything that brings a result."""
    return [
        io.Video.Output(
            "video", is_output_list=is_list, tooltip="The result, as the file that came back."
        ),
        io.Image.Output(
            "frames",
            is_output_list=is_list,
            tooltip="Its frames. They are decoded only when something is connected here.",
        ),
        io.Audio.Output(
            "audio",
            is_output_list=is_list,
            tooltip="Its sound. It is decoded only when something is connected here.",
        ),
        io.Float.Output("frame_rate", is_output_list=is_list, tooltip="Its frames per second."),
        io.String.Output(
            "receipt",
            is_output_list=is_list,
            tooltip="What was bought, as JSON: job id, vendor's ids, price, timing, what was done "
            "to the media, warnings.",
        ),
    ]


def hidden() -> list[Any]:
    return [io.Hidden.unique_id, io.Hidden.prompt, io.Hidden.dynprompt]


def run_options(inputs: Sequence[Any], values: Mapping[str, Any]) -> RunOptions:
    """The options of a run that begins, once all widgets are checked: linked ones were not before.

    Raises LipSyncError.
    """
    try:
        check_values(inputs, values)
    except VisemeError as problem:
        raise node_error(problem) from problem
    return RunOptions.of(values)
