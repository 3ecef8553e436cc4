"""Each template that needs no file of the user's: opened, run, seen, and not bought again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.host.hosting import ModalSandbox
from tests.web.page import Page

TEMPLATES = sorted((ROOT / "example_workflows").glob("*.json"))
LOADERS = {"LoadVideo", "LoadAudio", "LoadImage"}
LIP_SYNCS = {"VisemePixverseLipSync", "VisemeSyncLipSync2Pro", "VisemePipioLipSync"}


def nodes_of(template: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(template.read_text("utf-8"))["nodes"]
    return found


def needs_file(template: Path) -> bool:
    return any(node["type"] in LOADERS for node in nodes_of(template))


def ids_of(template: Path, types: set[str]) -> set[str]:
    return {str(node["id"]) for node in nodes_of(template) if node["type"] in types}


@pytest.mark.parametrize(
    "template", [path for path in TEMPLATES if not needs_file(path)], ids=lambda path: path.stem
)
def test_a_template_runs_is_seen_and_is_not_executed_again(
    page: Page, box: ModalSandbox, template: Path
) -> None:
    page.open_template(template.stem)
    syncs = ids_of(template, LIP_SYNCS)
    entry = page.run()
    assert entry.is_success, entry
    bought = len(box.charges())
    assert bought <= len(syncs)
    for node_id, output in entry.outputs.items():
        for file in output.get("images", []):
            page.await_player(file["filename"])
        assert node_id not in syncs or output["images"], "a lip-sync shows nothing"
    assert syncs <= set(entry.outputs)
    page.shoot(f"{template.stem}-{page.mode}")
    again = page.run()
    assert again.is_success, again
    assert syncs <= again.cached, "a lip-sync was executed again"
    assert syncs <= set(again.outputs), "a preview is not shown again"
    assert len(box.charges()) == bought


@pytest.mark.parametrize("open_page", ["classic"], indirect=True, scope="session")
@pytest.mark.parametrize(
    "template", [path for path in TEMPLATES if needs_file(path)], ids=lambda path: path.stem
)
def test_a_template_for_a_file_of_the_users_opens_whole(page: Page, template: Path) -> None:
    page.open_template(template.stem)
    made = page.tab.evaluate("() => app.graph.nodes.map((node) => [String(node.id), node.type])")
    assert sorted(made) == sorted([str(node["id"]), node["type"]] for node in nodes_of(template))
    assert not page.tab.evaluate("() => app.graph.nodes.some((node) => node.has_errors)")


_FEED = """() => {
  const blueprint = app.graph.nodes.find((node) => node.subgraph);
  const sample = LiteGraph.createNode("VisemeSampleClip");
  app.graph.add(sample);
  for (const name of ["media", "audio"]) {
    const slot = blueprint.inputs.findIndex((input) => input.name === name);
    sample.connect(name === "media" ? 0 : 1, blueprint, slot);
  }
}"""


@pytest.mark.parametrize(
    "blueprint", sorted((ROOT / "subgraphs").glob("*.json")), ids=lambda path: path.stem
)
def test_a_blueprint_lip_syncs_and_saves_what_is_put_into_it(
    page: Page, box: ModalSandbox, blueprint: Path
) -> None:
    page.load(json.loads(blueprint.read_text("utf-8")))
    page.tab.evaluate(_FEED)
    [sync] = page.prompt()["VisemePixverseLipSync"]
    assert sync["media"] == ["VisemeSampleClip", 0]
    assert sync["audio"] == ["VisemeSampleClip", 1]
    entry = page.run()
    assert entry.is_success, entry
    files = [file for output in entry.outputs.values() for file in output["images"]]
    assert {file["type"] for file in files} == {"temp", "output"}, "a preview and a saved video"
    assert len(box.charges()) <= 1  # none where a template has bought the same before
