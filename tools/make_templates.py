"""Builds example_workflows/*.json and subgraphs/*.json anew, in ComfyUI's own page.

``python tools/make_templates.py http://127.0.0.1:8188``, where a ComfyUI with this pack runs, its
input folder empty. Each graph is made node by node, saved as the page saves it, stripped of what
the page works out itself (so that older and newer pages read it alike), loaded again, and compared.
"""

from __future__ import annotations

import json
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from comfy_page import comfy_page, load
from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parent.parent
NAMESPACE = uuid.UUID("6f1b6f6e-3d0f-4b1e-9a53-7d3a3a1c9b57")  # any; it makes ids repeatable

BUILD = """async (spec) => {
  app.graph.clear();
  const made = {};
  for (const part of spec.nodes) {
    const node = LiteGraph.createNode(part.type);
    if (!node) throw new Error("no node " + part.type);
    node.pos = part.pos;
    app.graph.add(node);
    for (const [name, value] of Object.entries(part.widgets)) {
      const widget = node.widgets.find((w) => w.name === name);
      if (!widget) throw new Error(part.type + " has no widget " + name);
      widget.value = value;
    }
    if (part.title) node.title = part.title;
    if (part.size) node.setSize([part.size[0], Math.max(part.size[1], node.computeSize()[1])]);
    made[part.key] = node;
  }
  for (const [from, output, to, input] of spec.links) {
    const slot = made[from].outputs.findIndex((o) => o.name === output);
    const place = made[to].inputs.findIndex((i) => i.name === input);
    if (slot < 0 || place < 0) throw new Error([from, output, to, input].join(" "));
    if (!made[from].connect(slot, made[to], place)) throw new Error("refused: " + input);
  }
  return app.graph.serialize();
}"""
PROMPT = "async () => (await app.graphToPrompt()).output"


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
LIP_X, SAVE_X = 360, 760
LIP_SIZE = (340, 60)  # as wide as that, and as tall as its widgets need


def save(key: str, prefix: str, pos: tuple[int, int]) -> Node:
    return Node(key, "SaveVideo", pos, {"filename_prefix": f"video/{prefix}"}, (320, 420))


def own_media(title: str, lip: Node, prefix: str, text: str) -> Template:
    """Load Video and Load Audio into one lip-sync node, and its receipt shown."""
    return Template(
        title,
        (
            Node("video", "LoadVideo", (0, 0), {}, (300, 330)),
            Node("audio", "LoadAudio", (0, 400), {}, (300, 140)),
            lip,
            save("save", prefix, (SAVE_X, 0)),
            Node("receipt", "PreviewAny", (SAVE_X, 450), {}, (320, 260), "Receipt"),
            note(text, (0, 590), (300, 190)),
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
        "It runs free in the sandbox until you set **run_on** to `live (paid)`, with a key set "
        'under Extensions > Viseme > "Viseme: keys".'
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
                    "clip and speech in the place of Sample Clip, and set **run_on** to `live "
                    "(paid)` when you want the real thing.",
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
            "Choose your clip in Load Video and your speech in Load Audio, or set **speech** to "
            f"`text` and write what is to be said.\n\n{live}",
        ),
        own_media(
            "3 Sync Lip Sync 2 Pro",
            Node("lip", sync, (LIP_X, 0), {}, LIP_SIZE),
            "sync",
            "Choose your clip in Load Video and your speech in Load Audio; **sync_mode** says "
            f"what happens when they differ in length.\n\n{live}",
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
                        (LIP_X + 380 * number, 0),
                        {"vendor": vendor},
                        LIP_SIZE,
                        f"PixVerse at {vendor}",
                    )
                    for number, (key, vendor) in enumerate(VENDORS)
                ),
                *(
                    save(f"save_{key}", f"pixverse_{key}", (LIP_X + 380 * number, 1020))
                    for number, (key, _) in enumerate(VENDORS)
                ),
                note(
                    "The same model at three vendors, side by side, and what each would ask for "
                    "it.\n\nPress **Run** to see it free in the sandbox; live, each of the three "
                    "nodes buys once from its own vendor.",
                    (0, 150),
                    (300, 170),
                ),
                Node("prices", "VisemeLipSyncPrices", (0, 380), {}, (300, 60)),
                Node("table", "PreviewAny", (0, 640), {}, (320, 460), "Prices"),
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
                    "nodes in the place of these two; Create Video needs **frame_rate** and "
                    "**audio** of the result.",
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


def stripped(name: str, workflow: dict[str, Any]) -> dict[str, Any]:
    """The workflow without what a page works out itself, and what tells of this page."""
    workflow["id"] = str(uuid.uuid5(NAMESPACE, name))
    workflow["extra"] = {}
    for node in workflow["nodes"]:
        node["pos"] = [round(side) for side in node["pos"]]
        node["size"] = [round(side) for side in node["size"]]
        node.pop("widgets_values_named", None)
        node["inputs"] = [
            entry for entry in node.get("inputs", []) if entry.get("link") or "widget" not in entry
        ]
        for slot in (*node["inputs"], *node.get("outputs", [])):
            slot.pop("localized_name", None)
        if node["type"] == "SaveVideo":  # its other widgets differ from one ComfyUI to the next
            node["widgets_values"] = node["widgets_values"][:1]
    return workflow


def prompt_of(page: Page, workflow: dict[str, Any], name: str) -> Any:
    load(page, workflow, name)
    return page.evaluate(PROMPT)


def main() -> None:
    folder = ROOT / "example_workflows"
    folder.mkdir(exist_ok=True)
    with comfy_page(sys.argv[1]) as page:
        for template in templates():
            built = page.evaluate(BUILD, template.spec())
            wanted = page.evaluate(PROMPT)
            workflow = stripped(template.name, built)
            if prompt_of(page, workflow, template.name) != wanted:
                raise SystemExit(f"{template.name} is not what it was once it is loaded again.")
            text = json.dumps(workflow, indent=2, ensure_ascii=False)
            (folder / f"{template.name}.json").write_text(text + "\n", encoding="utf-8")
            print(template.name)  # noqa: T201 - for whoever runs this


if __name__ == "__main__":
    main()
