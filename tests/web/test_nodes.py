"""What is set in the nodes stays set: options switched, saved, loaded, put into a subgraph."""

from __future__ import annotations

import json
from typing import Any

from tests.conftest import ROOT
from tests.host.client import LIP_SYNCS
from tests.host.hosting import ModalSandbox
from tests.web.page import Page

FIRST_STEPS = ROOT / "example_workflows" / "1 First steps.json"
EMPTY: dict[str, Any] = {"nodes": [], "links": [], "version": 0.4}

# Makes a graph of all lip-syncs on one sample, with the cut linked into pipio's; the nodes' ids.
_BUILD = """() => {
  app.graph.clear();
  const add = (type, x, y) => {
    const node = LiteGraph.createNode(type);
    node.pos = [x, y];
    app.graph.add(node);
    return node;
  };
  const sample = add("VisemeSampleClip", 0, 0);
  const cut = add("VisemeEditRanges", 300, 0);
  sample.connect(0, cut, "media");
  sample.connect(1, cut, "audio");
  const syncs = TYPES.map((type, number) => add(type, 700 + 450 * number, 0));
  for (const [number, sync] of syncs.entries()) {
    sample.connect(0, sync, "media");
    (number < 2 ? sample : cut).connect(1, sync, "audio");
    const save = add("SaveVideo", 700 + 450 * number, 900);
    sync.connect(0, save, "video");
  }
  cut.connect(0, syncs[2], "edits");
  return syncs.map((sync) => Number(sync.id));
}""".replace("TYPES", json.dumps(LIP_SYNCS))

PIXVERSE: dict[str, Any] = {
    "speech": "text",
    "speech.text": 'Two words.\nAnd "two" more: é, 中.',
    "speech.voice": "Emily",
    "vendor": "Runware",
    "vendor.outputFormat": "MOV",
    "vendor.numberResults": 2,
    "max_price_usd": 1.25,
}
SYNC = {"sync_mode": "bounce", "take": 3, "carry": "inline", "time_limit_seconds": 90}
PIPIO = {"audio_is_edited": True, "seed": 7, "use_custom_prompt": True, "custom_prompt": "Calm."}


def build(page: Page) -> dict[str, Any]:
    """A graph whose options were switched there and back and there again; what it would send."""
    pixverse, sync, pipio = page.tab.evaluate(_BUILD)
    for vendor in ("AI/ML API", "Runware", "fal"):
        page.set(pixverse, {"vendor": vendor, "speech": "text"})
        page.set(pixverse, {"speech": "connected audio"})
    page.set(pixverse, PIXVERSE)
    page.set(sync, SYNC)
    page.set(pipio, PIPIO)
    sent = page.prompt()
    sample = "VisemeSampleClip"
    assert sent["VisemePixverseLipSync"][0].items() >= {**PIXVERSE, "media": [sample, 0]}.items()
    assert sent["VisemePixverseLipSync"][0]["audio"] == [sample, 1], "a switch has lost the link"
    assert sent["VisemeSyncLipSync2Pro"][0].items() >= {**SYNC, "audio": [sample, 1]}.items()
    cut = {"audio": ["VisemeEditRanges", 1], "edits": ["VisemeEditRanges", 0]}
    assert sent["VisemePipioLipSync"][0].items() >= {**PIPIO, **cut}.items()
    return sent


def test_choices_made_by_hand_are_sent_with_their_options_and_keep_the_links(page: Page) -> None:
    page.open_template(FIRST_STEPS.stem)
    [before] = page.prompt()["VisemePixverseLipSync"]
    [pixverse] = page.ids_of("VisemePixverseLipSync")
    page.choose(pixverse, "vendor", "Runware")
    page.choose(pixverse, "speech", "text")
    [sent] = page.prompt()["VisemePixverseLipSync"]
    links = {name: before[name] for name in ("media", "audio")}
    assert sent.items() >= {"vendor": "Runware", "speech": "text", **links}.items()
    assert {"speech.text", "speech.voice", "vendor.outputFormat"} <= set(sent)
    assert not {name for name in sent if name in before and name.startswith("vendor.")}
    page.choose(pixverse, "vendor", "fal")
    page.choose(pixverse, "speech", "connected audio")
    assert page.prompt()["VisemePixverseLipSync"] == [before]


def test_values_and_links_survive_saving_closing_and_opening(page: Page) -> None:
    before = build(page)
    name = f"Kept in {page.mode}"
    page.save_as(name)
    page.reopen(name)
    assert page.prompt() == before


def test_values_and_links_survive_another_mode(page: Page) -> None:
    before = build(page)
    saved = page.workflow()
    page.load(EMPTY)
    with page.other_mode():
        page.load(saved)
        page.shoot(f"other-mode-{page.mode}")
        assert page.prompt() == before
        saved = page.workflow()
    page.load(saved)
    assert page.prompt() == before


def test_values_and_links_survive_a_subgraph_which_runs_once(page: Page, box: ModalSandbox) -> None:
    before = build(page)
    page.to_subgraph(*LIP_SYNCS)
    assert page.prompt() == before
    name = f"Kept in a subgraph in {page.mode}"
    page.save_as(name)
    page.reopen(name)
    assert page.prompt() == before
    entry = page.run()
    assert entry.is_success, entry
    bought = len(box.charges())
    syncs = {node_id for node_id in entry.outputs if ":" in node_id}
    assert len(syncs) == len(LIP_SYNCS)
    again = page.run()
    assert again.is_success
    assert syncs <= again.cached
    assert len(box.charges()) == bought
    with page.other_mode():
        page.load(page.workflow())
        assert page.prompt() == before
    page.from_subgraph()
    assert page.prompt() == before


def test_nodes_of_an_older_workflow_get_the_defaults_of_what_was_added_since(page: Page) -> None:
    """A workflow with fewer values than the node has widgets now, as older ones will have."""
    workflow = json.loads(FIRST_STEPS.read_text("utf-8"))
    page.load(workflow)
    before = page.prompt()
    for node in workflow["nodes"]:
        if node["type"] in LIP_SYNCS:
            node["widgets_values"] = node["widgets_values"][:2]
    page.load(workflow)
    assert page.prompt() == before
