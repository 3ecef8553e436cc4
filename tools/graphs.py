"""The graphs of the templates: what is in them, where it stands and what the notes say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Node:
    key: str
    type: str
    pos: tuple[int, int]
    widgets: dict[str, Any] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    title: str | None = None


@dataclass(frozen=True)
class Template:
    name: str
    nodes: tuple[Node, ...]
    links: tuple[tuple[str, str, str, str], ...]

    def spec(self) -> dict[str, Any]:
        return {"nodes": [vars(node) for node in self.nodes], "links": list(self.links)}


def note(text: str, pos: tuple[int, int], size: tuple[int, int] = (300, 150)) -> Node:
    return Node("note", "MarkdownNote", pos, {"text": text}, size, "Note")


VENDORS = (("fal", "fal"), ("aimlapi", "AI/ML API"), ("runware", "Runware"))
CUT = """{
  "unit": "seconds",
  "removals": [{"from": 1.95, "to": 3.1, "bridge": 0.2}],
  "additions": [{"at": 0.7, "duration": 0.4}]
}"""
LIP_X, SAVE_X, VENDORS_X = 360, 760, 800
LIP_SIZE = (340, 60)  # as wide as that, and as tall as its widgets need


def save(key: str, prefix: str, pos: tuple[int, int]) -> Node:
    return Node(key, "SaveVideo", pos, {"filename_prefix": f"video/{prefix}"}, (320, 420))


def own_media(title: str, lip: Node, prefix: str, text: str) -> Template:
    """Load Video and Load Audio into one lip-sync node, and its receipt shown.

    What shows a video grows with it, an upright one far down: nothing stands below.
    """
    return Template(
        title,
        (
            Node("audio", "LoadAudio", (0, 0), {"audio": None}, (300, 140)),
            Node("video", "LoadVideo", (0, 260), {"file": None}, (300, 330)),
            lip,
            save("save", prefix, (SAVE_X, 0)),
            Node("receipt", "PreviewAny", (SAVE_X + 360, 0), {}, (320, 420), "Receipt"),
            note(text, (0, -230), (SAVE_X - 60, 150)),
        ),
        (
            ("video", "VIDEO", "lip", "media"),
            ("audio", "AUDIO", "lip", "audio"),
            ("lip", "video", "save", "video"),
            ("lip", "receipt", "receipt", "source"),
        ),
    )


def templates() -> tuple[Template, ...]:
    pixverse, sync, pipio = (
        "VisemePixverseLipSync",
        "VisemeSyncLipSync2Pro",
        "VisemePipioLipSync",
    )
    sample = Node("sample", "VisemeSampleClip", (0, 0), {}, (270, 70))
    live = (
        "It runs free in the sandbox until you choose **live (paid)** in the node, with a key set "
        "in the menu under Extensions > Viseme: keys."
    )
    return (
        Template(
            "1 First steps",
            (
                sample,
                Node("lip", pixverse, (LIP_X, 0), {}, LIP_SIZE),
                save("save", "first_steps", (SAVE_X, 0)),
                note(
                    "Press **Run**: the sample clip is lip-synced in a sandbox on this machine, "
                    "free and without a key, so the result says SANDBOX.\n\nThen put your own "
                    "clip and speech in the place of Sample Clip, and choose **live (paid)** "
                    "instead of **sandbox (free)** when you want the real thing.",
                    (0, 150),
                    (300, 190),
                ),
            ),
            (
                ("sample", "video", "lip", "media"),
                ("sample", "audio", "lip", "audio"),
                ("lip", "video", "save", "video"),
            ),
        ),
        own_media(
            "2 PixVerse Lip Sync",
            Node("lip", pixverse, (LIP_X, 0), {}, LIP_SIZE),
            "pixverse",
            "Choose your clip in Load Video and your speech in Load Audio, or choose "
            f"**text** instead of **connected audio** and write what is to be said.\n\n{live}",
        ),
        own_media(
            "3 Sync Lip Sync 2 Pro",
            Node("lip", sync, (LIP_X, 0), {}, LIP_SIZE),
            "sync",
            "Choose your clip in Load Video and your speech in Load Audio; **cut_off** is one of "
            f"five ways to meet a difference in their length.\n\n{live}",
        ),
        own_media(
            "4 Pipio Lip Sync",
            Node("lip", pipio, (LIP_X, 0), {}, LIP_SIZE),
            "pipio",
            "Choose your clip in Load Video and your speech in Load Audio; a single picture from "
            f"Load Image can speak as well.\n\n{live}",
        ),
        Template(
            "5 PixVerse at three vendors",
            (
                sample,
                *(
                    Node(
                        key,
                        pixverse,
                        (VENDORS_X + 380 * number, 0),
                        {"vendor": vendor},
                        LIP_SIZE,
                        f"PixVerse at {vendor}",
                    )
                    for number, (key, vendor) in enumerate(VENDORS)
                ),
                *(
                    save(f"save_{key}", f"pixverse_{key}", (VENDORS_X + 380 * number, 1020))
                    for number, (key, _) in enumerate(VENDORS)
                ),
                note(
                    "The same model at three vendors, side by side, and what each would ask for "
                    "it.\n\nPress **Run** to see it free in the sandbox; live, each of the three "
                    "nodes buys once from its own vendor.",
                    (330, 0),
                    (410, 150),
                ),
                Node("prices", "VisemeLipSyncPrices", (0, 240), {}, (300, 60)),
                Node("table", "PreviewAny", (0, 530), {}, (740, 420), "Prices"),
            ),
            (
                *(
                    ("sample", output, node, socket)
                    for node in ("prices", *(key for key, _ in VENDORS))
                    for output, socket in (("video", "media"), ("audio", "audio"))
                ),
                *((key, "video", f"save_{key}", "video") for key, _ in VENDORS),
                ("prices", "table", "table", "source"),
            ),
        ),
        Template(
            "6 Cut a sentence",
            (
                sample,
                Node("edit", "VisemeEditRanges", (LIP_X, 0), {"edits": CUT}, (400, 780)),
                Node("lip", pipio, (LIP_X + 460, 0), {}, LIP_SIZE),
                save("save", "cut", (LIP_X + 860, 0)),
                note(
                    'Edit Ranges takes out the words "my voice is made" with a short bridge in '
                    'their place, and makes a pause after "Hello!"; the speech is cut alike, and '
                    "Pipio redraws the mouth to fit.\n\nPress **Run** to see it free in the "
                    "sandbox, then write your own edits in seconds or frames.",
                    (0, 150),
                    (300, 220),
                ),
            ),
            (
                ("sample", "video", "edit", "media"),
                ("sample", "audio", "edit", "audio"),
                ("sample", "video", "lip", "media"),
                ("edit", "audio", "lip", "audio"),
                ("edit", "edits", "lip", "edits"),
                ("lip", "video", "save", "video"),
            ),
        ),
        Template(
            "7 Frames in, frames out",
            (
                sample,
                Node("parts", "GetVideoComponents", (0, 150), {}, (270, 120)),
                Node(
                    "flip",
                    "ImageFlip",
                    (0, 340),
                    {"flip_method": "y-axis: horizontally"},
                    (270, 60),
                ),
                Node("lip", sync, (LIP_X, 0), {}, LIP_SIZE),
                Node(
                    "scale",
                    "ImageScaleBy",
                    (SAVE_X, 0),
                    {"upscale_method": "bicubic", "scale_by": 1.5},
                    (300, 90),
                ),
                Node("join", "CreateVideo", (SAVE_X, 170), {}, (300, 110)),
                save("save", "frames", (SAVE_X + 360, 0)),
                note(
                    "Frames go in as IMAGE with their rate in **source_fps**, and come out as "
                    "IMAGE: here they are mirrored before and enlarged after.\n\nPut your own "
                    "nodes in the place of these two; Create Video needs the frame rate "
                    "and the sound of the result too.",
                    (0, 480),
                    (300, 190),
                ),
            ),
            (
                ("sample", "video", "parts", "video"),
                ("parts", "images", "flip", "image"),
                ("flip", "IMAGE", "lip", "media"),
                ("parts", "fps", "lip", "source_fps"),
                ("sample", "audio", "lip", "audio"),
                ("lip", "frames", "scale", "image"),
                ("scale", "IMAGE", "join", "images"),
                ("lip", "frame_rate", "join", "fps"),
                ("lip", "audio", "join", "audio"),
                ("join", "VIDEO", "save", "video"),
            ),
        ),
    )
