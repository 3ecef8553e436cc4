"""Builds example_workflows/*.json and subgraphs/*.json anew, in ComfyUI's own page.

``python tools/make_templates.py http://127.0.0.1:8188``, where a ComfyUI with this pack runs. Each
graph is made node by node, saved as the page saves it, stripped of what the page works out itself
(so that older and newer pages read it alike), loaded again, and compared.
"""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from typing import Any

from comfy_page import comfy_page, load
from graphs import LIP_SIZE, Node, Template, save, templates
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
  return JSON.stringify(app.graph.serialize());  // here undefined is left out
}"""
TO_SUBGRAPH = """([titles, name]) => {
  const inner = app.graph.nodes.filter((node) => titles.includes(node.title));
  const {node, subgraph} = app.graph.convertToSubgraph(new Set(inner));
  node.title = subgraph.name = name;
  return JSON.stringify(app.graph.serialize());
}"""
PROMPT = "async () => (await app.graphToPrompt()).output"


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


BLUEPRINT = "Lip-sync a clip"
# In the outer graph, these widgets of the inner nodes are shown on the blueprint's own node.
SHOWN = (("VisemePixverseLipSync", "run_on"), ("SaveVideo", "filename_prefix"))


def blueprint(page: Page) -> dict[str, Any]:
    """PixVerse Lip Sync and Save Video as one node: media and audio in, video and receipt out."""
    outer = Template(
        BLUEPRINT,
        (
            Node("sample", "VisemeSampleClip", (0, 0)),
            Node("lip", "VisemePixverseLipSync", (360, 0), {}, LIP_SIZE),
            save("save", "lip_sync", (760, 0)),
            Node("player", "SaveVideo", (1200, 0), title="Outside"),
            Node("receipt", "PreviewAny", (1200, 300)),
        ),
        (
            ("sample", "video", "lip", "media"),
            ("sample", "audio", "lip", "audio"),
            ("lip", "video", "save", "video"),
            ("lip", "video", "player", "video"),
            ("lip", "receipt", "receipt", "source"),
        ),
    )
    page.evaluate(BUILD, outer.spec())
    saved = json.loads(page.evaluate(TO_SUBGRAPH, [["PixVerse Lip Sync", "Save Video"], BLUEPRINT]))
    (subgraph,) = saved["definitions"]["subgraphs"]
    (node,) = (node for node in saved["nodes"] if node["type"] == subgraph["id"])
    inner = {entry["type"]: str(entry["id"]) for entry in subgraph["nodes"]}
    node |= {"id": 1, "pos": [0, 0], "size": [300, 140], "order": 0}
    node["properties"] = {"proxyWidgets": [[inner[kind], name] for kind, name in SHOWN]}
    for entry in node["inputs"]:
        entry["link"] = None
    for entry in node["outputs"]:
        entry["links"] = []
    subgraph |= {
        "category": "Viseme",
        "description": "Redraws the mouth of a clip to fit the speech, with PixVerse Lip Sync, "
        "and saves the video. Free in the sandbox until you choose live (paid).",
    }
    subgraph["nodes"] = stripped(BLUEPRINT, {"nodes": subgraph["nodes"]})["nodes"]
    ids = [subgraph["id"], *(slot["id"] for slot in (*subgraph["inputs"], *subgraph["outputs"]))]
    text = json.dumps(
        {
            "revision": 0,
            "last_node_id": 1,
            "last_link_id": 0,
            "nodes": [node],
            "links": [],
            "version": 0.4,
            "definitions": {"subgraphs": [subgraph]},
            "extra": {},
        }
    )
    for number, made in enumerate(ids):  # the page's are new every time
        text = text.replace(made, str(uuid.uuid5(NAMESPACE, f"{BLUEPRINT} {number}")))
    whole: dict[str, Any] = json.loads(text)
    return whole


def write(file: Path, workflow: dict[str, Any]) -> None:
    file.parent.mkdir(exist_ok=True)
    text = json.dumps(workflow, indent=2, ensure_ascii=False)
    file.write_text(text + "\n", encoding="utf-8")
    print(file.relative_to(ROOT))  # noqa: T201 - for whoever runs this


def prompt_of(page: Page) -> Any:
    """What the graph would run, but for the files of whoever opens it."""
    prompt = page.evaluate(PROMPT)
    for entry in prompt.values():
        if entry["class_type"] in ("LoadVideo", "LoadAudio"):
            entry["inputs"] = {}
    return prompt


def main() -> None:
    with comfy_page(sys.argv[1]) as page:
        page.evaluate("app.extensionManager.setting.set('Comfy.VueNodes.Enabled', false)")
        page.wait_for_timeout(1000)
        for template in templates():
            built = json.loads(page.evaluate(BUILD, template.spec()))
            wanted = prompt_of(page)
            workflow = stripped(template.name, built)
            load(page, workflow, template.name)
            if prompt_of(page) != wanted:
                raise SystemExit(f"{template.name} is not what it was once it is loaded again.")
            write(ROOT / "example_workflows" / f"{template.name}.json", workflow)
        write(ROOT / "subgraphs" / f"{BLUEPRINT}.json", blueprint(page))


if __name__ == "__main__":
    main()
