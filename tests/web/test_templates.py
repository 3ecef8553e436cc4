"""Each template and blueprint: found in the page, run, seen, and not bought again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.host.client import LIP_SYNCS
from tests.host.hosting import ModalSandbox
from tests.web.page import Page

TEMPLATES = sorted((ROOT / "example_workflows").glob("*.json"))
BLUEPRINTS = sorted((ROOT / "subgraphs").glob("*.json"))
SPEECH = "my speech.wav"

# Whether a text field that is seen has this text.
_READS = """(text) => [...document.querySelectorAll("textarea")].some(
  (field) => field.value === text && field.getBoundingClientRect().width > 20)"""


def nodes_of(template: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(template.read_text("utf-8"))["nodes"]
    return found


def ids_of(template: Path, types: Iterable[str]) -> set[str]:
    return {str(node["id"]) for node in nodes_of(template) if node["type"] in types}


def choose_files(page: Page, template: Path) -> bool:
    """Choose the user's files where a template loads any; whether it does."""
    files = {"LoadVideo": ("file", f"my {page.mode} clip.mp4"), "LoadAudio": ("audio", SPEECH)}
    loaders = [node for node in nodes_of(template) if node["type"] in files]
    for node in loaders:
        page.choose(node["id"], *files[node["type"]])
    if loaders:
        page.await_player(files["LoadVideo"][1])
        sent = page.prompt()
        for node in loaders:
            name, file = files[node["type"]]
            assert sent[node["type"]][0][name] == file
    return bool(loaders)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_runs_is_seen_and_is_not_executed_again(
    page: Page, box: ModalSandbox, template: Path
) -> None:
    page.open_template(template.stem)
    made = page.tab.evaluate("() => app.graph.nodes.map((node) => [String(node.id), node.type])")
    assert sorted(made) == sorted([str(node["id"]), node["type"]] for node in nodes_of(template))
    assert not page.tab.evaluate("() => app.graph.nodes.some((node) => node.has_errors)")
    has_files = choose_files(page, template)
    syncs = ids_of(template, LIP_SYNCS)
    entry = page.run()
    assert entry.is_success, entry
    bought = len(box.charges())
    # Another test has bought for the sample before.
    assert bought == len(syncs) if has_files else bought <= len(syncs)
    for node_id, output in entry.outputs.items():
        for file in output.get("images", []):
            page.await_player(file["filename"])
        assert node_id not in syncs or output["images"], "a lip-sync shows nothing"
        for text in output.get("text", []):
            page.wait(f"(text) => ({_READS})(text)", text)
    for node_id in ids_of(template, {"SaveVideo"}):
        [saved] = entry.outputs[node_id]["images"]
        assert saved["type"] == "output"
        assert page.host.saved(saved).is_file()
    assert syncs <= set(entry.outputs)
    page.shoot(f"{template.stem}-{page.mode}")
    again = page.run()
    assert again.is_success, again
    assert syncs <= again.cached, "a lip-sync was executed again"
    assert syncs <= set(again.outputs), "a preview is not shown again"
    assert len(box.charges()) == bought


_FEED = """() => {
  const blueprint = app.graph.nodes.find((node) => node.subgraph);
  const sample = app.graph.nodes.find((node) => node.comfyClass === "VisemeSampleClip");
  for (const name of ["media", "audio"]) {
    const slot = blueprint.inputs.findIndex((input) => input.name === name);
    sample.connect(name === "media" ? 0 : 1, blueprint, slot);
  }
}"""


@pytest.mark.parametrize("blueprint", BLUEPRINTS, ids=lambda path: path.stem)
def test_a_blueprint_is_found_in_the_search_lip_syncs_and_saves_what_is_put_into_it(
    page: Page, box: ModalSandbox, blueprint: Path
) -> None:
    page.load({"nodes": [], "links": [], "version": 0.4})
    page.add_from_search("Sample Clip", 250, 300)
    page.add_from_search(blueprint.stem, 700, 300)
    page.tab.evaluate(_FEED)
    [sync] = page.prompt()["VisemePixverseLipSync"]
    assert sync["media"] == ["VisemeSampleClip", 0]
    assert sync["audio"] == ["VisemeSampleClip", 1]
    entry = page.run()
    assert entry.is_success, entry
    files = [file for output in entry.outputs.values() for file in output["images"]]
    assert {file["type"] for file in files} == {"temp", "output"}, "a preview and a saved video"
    assert all(page.host.saved(file).is_file() for file in files)
    assert len(box.charges()) <= 1  # none where a template has bought the same before
    page.shoot(f"{blueprint.stem}-{page.mode}")
    page.enter_subgraph()
    for file in files:
        page.await_player(file["filename"])
    page.shoot(f"{blueprint.stem}-inside-{page.mode}")
    page.leave_subgraph()
