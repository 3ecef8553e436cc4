"""Takes the pictures of the help pages and of the templates' cards, in ComfyUI's own page.

``python tools/make_pictures.py http://127.0.0.1:8188``, where a ComfyUI with this pack runs. Every
template is run in the sandbox on the shipped sample; what is seen is what the page shows then.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import httpx
from comfy_page import comfy_page, load, run
from make_templates import BUILD, ROOT
from playwright.sync_api import Page

PICTURES = ROOT / "web" / "docs" / "images"
CARDS = ROOT / "example_workflows"
SAMPLES = ROOT / "viseme" / "samples"
SPEAKING_SECONDS = 2.45  # the mouth is open there
SPEAKING = (0.3, 2.45, 3.7)
EDITED = (0.3, 0.9, 2.45)  # before the edits, in the addition, in the bridge
CARD_PIXELS = 400
QUALITY = 84

OWN_FILES = {"LoadVideo": ("file", "talking_head.mp4"), "LoadAudio": ("audio", "speech.wav")}
SETTLE = """async ([types, seconds]) => {
  for (const video of document.querySelectorAll("video")) {
    video.controls = false;
    video.pause();
    await new Promise((resolve) => {
      video.addEventListener("seeked", resolve, {once: true});
      video.currentTime = seconds;
      setTimeout(resolve, 2000);
    });
  }
  const nodes = app.graph.nodes.filter((node) => types.includes(node.type));
  const left = Math.min(...nodes.map((node) => node.pos[0]));
  const top = Math.min(...nodes.map((node) => node.pos[1]));
  app.canvas.ds.scale = 1.25;
  app.canvas.ds.offset = [120 / 1.25 - left, 190 / 1.25 - top];
  app.canvas.setDirty(true, true);
  return nodes.map((node) => String(node.id));
}"""
BOX = """(ids) => {
  const boxes = ids.map((id) => document.querySelector(`[data-node-id="${id}"]`)
    .getBoundingClientRect());
  const x = Math.min(...boxes.map((b) => b.left)) - 8;
  const y = Math.min(...boxes.map((b) => b.top)) - 8;
  return {x, y, width: Math.max(...boxes.map((b) => b.right)) + 8 - x,
          height: Math.max(...boxes.map((b) => b.bottom)) + 8 - y};
}"""
FRAME = """async ([id, seconds]) => {
  const video = document.querySelector(`[data-node-id="${id}"] video`);
  await new Promise((resolve) => {
    video.addEventListener("seeked", resolve, {once: true});
    video.currentTime = seconds;
    setTimeout(resolve, 2000);
  });
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  return canvas.toDataURL("image/png");
}"""


def upload_samples(address: str) -> None:
    for name in ("talking_head.mp4", "speech.wav"):
        content = (SAMPLES / name).read_bytes()
        form = {"overwrite": "true"}
        answer = httpx.post(f"{address}/upload/image", files={"image": (name, content)}, data=form)
        answer.raise_for_status()


def template(name: str) -> dict[str, Any]:
    """A template with the sample in its Load nodes."""
    workflow: dict[str, Any] = json.loads((CARDS / f"{name}.json").read_text(encoding="utf-8"))
    for node in workflow["nodes"]:
        if node["type"] in OWN_FILES:
            node["widgets_values"][0] = OWN_FILES[node["type"]][1]
    return workflow


def picture(page: Page, types: tuple[str, ...], seconds: float = SPEAKING_SECONDS) -> bytes:
    """The nodes of these types as the page shows them, as JPEG."""
    ids = page.evaluate(SETTLE, [types, seconds])
    page.wait_for_timeout(700)
    return page.screenshot(type="jpeg", quality=QUALITY, clip=page.evaluate(BOX, ids))


def frames(page: Page, kind: str, seconds: float = SPEAKING_SECONDS) -> list[str]:
    """A frame of the player in each node of that type, as data URLs, in the graph's order."""
    of_kind = "(kind) => app.graph.nodes.filter((n) => n.type === kind).map((n) => n.id)"
    ids = page.evaluate(of_kind, kind)
    return [page.evaluate(FRAME, [id_, seconds]) for id_ in ids]


def card(page: Page, parts: str) -> bytes:
    """A template's card from HTML, as JPEG."""
    tab = page.context.new_page()
    tab.set_viewport_size({"width": CARD_PIXELS, "height": CARD_PIXELS})
    tab.set_content(
        "<style>*{margin:0;box-sizing:border-box}body{background:#12343f;color:#fff4e2;"
        "font:600 19px sans-serif;width:400px;height:400px;overflow:hidden;position:relative}"
        "img{display:block;object-fit:cover}div{position:absolute}</style>" + parts
    )
    tab.wait_for_timeout(300)
    shot = tab.screenshot(type="jpeg", quality=QUALITY)
    tab.close()
    return shot


def whole(source: str) -> str:
    return f'<img src="{source}" width=400 height=400>'


def strips(sources: list[str], labels: tuple[str, ...]) -> str:
    width = CARD_PIXELS // len(sources)
    return "".join(
        f'<div style="left:{number * width}px;width:{width}px;padding:0 1px">'
        f'<img src="{source}" width=100% height=340>'
        f'<p style="text-align:center;line-height:60px">{label}</p></div>'
        for number, (source, label) in enumerate(zip(sources, labels, strict=True))
    )


def node_card(jpeg: bytes, shown: list[str]) -> str:
    """What a node's player shows at three times, and under it the upper part of the node.

    The page lays a badge over the upper left corner.
    """
    source = "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
    width = CARD_PIXELS // len(shown)
    return f'<div style="top:{width}px"><img src="{source}" width={CARD_PIXELS}></div>' + "".join(
        f'<div style="left:{number * width}px">'
        f'<img src="{frame}" width={width + 1} height={width}></div>'
        for number, frame in enumerate(shown)
    )


def moments(page: Page, kind: str, times: tuple[float, ...]) -> list[str]:
    return [frames(page, kind, seconds)[0] for seconds in times]


def ran(page: Page, name: str) -> None:
    load(page, template(name), name)
    page.wait_for_timeout(1000)
    run(page)
    page.wait_for_timeout(2500)


def job_of_last_run(address: str) -> str:
    """The job's id in the receipt that the last run showed."""
    (entry,) = httpx.get(f"{address}/history?max_items=1", timeout=30).json().values()
    (receipt,) = (shown["text"][0] for shown in entry["outputs"].values() if "text" in shown)
    return str(json.loads(receipt)["id"])


def collected(page: Page, kind: str, job_id: str) -> None:
    """A graph of one node that brings back that job."""
    node = {"key": "node", "type": kind, "pos": (0, 0), "size": (340, 60)}
    page.evaluate(BUILD, {"nodes": [{**node, "widgets": {"job_id": job_id}}], "links": []})
    run(page)
    page.wait_for_timeout(2500)


def keep(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    print(file.name, len(content))  # noqa: T201 - for whoever runs this


def main() -> None:
    address = sys.argv[1].rstrip("/")
    upload_samples(address)
    with comfy_page(address, width=1500, height=1300) as page:
        for setting, value in (("Comfy.VueNodes.Enabled", True), ("Comfy.Minimap.Visible", False)):
            set_to = "([name, value]) => app.extensionManager.setting.set(name, value)"
            page.evaluate(set_to, [setting, value])
        page.wait_for_timeout(1000)
        pixverse, edit = "VisemePixverseLipSync", "VisemeEditRanges"

        ran(page, "1 First steps")
        keep(PICTURES / "VisemeSampleClip.jpg", picture(page, ("VisemeSampleClip", pixverse)))
        keep(CARDS / "1 First steps.jpg", card(page, whole(frames(page, pixverse)[0])))

        for name, kind in (
            ("2 PixVerse Lip Sync", pixverse),
            ("3 Sync Lip Sync 2 Pro", "VisemeSyncLipSync2Pro"),
            ("4 Pipio Lip Sync", "VisemePipioLipSync"),
        ):
            ran(page, name)
            seen = picture(page, (kind,))
            keep(PICTURES / f"{kind}.jpg", seen)
            keep(CARDS / f"{name}.jpg", card(page, node_card(seen, moments(page, kind, SPEAKING))))

        name = "5 PixVerse at three vendors"
        ran(page, name)
        labels = ("fal", "AI/ML API", "Runware")
        keep(CARDS / f"{name}.jpg", card(page, strips(frames(page, pixverse), labels)))
        keep(
            PICTURES / "VisemeLipSyncPrices.jpg",
            picture(page, ("VisemeLipSyncPrices", "PreviewAny")),
        )

        name = "6 Cut a sentence"
        ran(page, name)
        seen = picture(page, (edit,), 0.9)
        keep(PICTURES / f"{edit}.jpg", seen)
        keep(CARDS / f"{name}.jpg", card(page, node_card(seen, moments(page, edit, EDITED))))

        name = "7 Frames in, frames out"
        ran(page, name)
        sources = [
            "data:image/png;base64,"
            + base64.b64encode((SAMPLES / "portrait.png").read_bytes()).decode(),
            *frames(page, "SaveVideo"),
        ]
        keep(CARDS / f"{name}.jpg", card(page, strips(sources, ("in", "out"))))

        ran(page, "2 PixVerse Lip Sync")
        collect = "VisemeCollectLipSyncJob"
        collected(page, collect, job_of_last_run(address))
        keep(PICTURES / f"{collect}.jpg", picture(page, (collect,)))


if __name__ == "__main__":
    main()
