"""ComfyUI's page in a real browser: opened, given workflows, run, and looked at."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tests.host.client import PATIENCE_SECONDS
from tests.host.hosting import Host

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Error, Locator

    from tests.host.client import Entry

Mode = Literal["classic", "vue"]
JSON = dict[str, Any]
READY_SECONDS = 300
ANSWER_SECONDS = PATIENCE_SECONDS

_READY = "() => window.app?.extensionManager && window.app.graph && window.app.canvas"
_LOAD = """async (workflow) => {
  await app.loadGraphData(workflow);
  app.canvas.draw(true, true);
}"""
_SET = """([id, values]) => {
  const node = app.graph.getNodeById(id) ?? app.graph.getNodeById(Number(id));
  for (const [name, value] of Object.entries(values)) {
    const widget = node.widgets.find((widget) => widget.name === name);
    if (!widget) throw new Error(`${node.type} has no ${name}`);
    widget.value = value;
    widget.callback?.(value, app.canvas, node);
  }
}"""
_SELECT = """(types) => {
  app.canvas.deselectAll();
  for (const node of app.graph.nodes) if (types.includes(node.type)) app.canvas.select(node);
}"""
# The file may be named in any order of the query, and in a source element.
_PLAYS = """(file) => [...document.querySelectorAll("video")].filter((video) => {
  const query = new URL(video.currentSrc || "about:blank").searchParams;
  const box = video.getBoundingClientRect();
  return query.get("filename") === file && video.videoWidth > 0 && !video.error
    && box.width > 20 && box.height > 20;
}).length"""


class Page:
    """One tab. ``complaints`` has what the console says of our files, in order."""

    def __init__(self, browser: Browser, host: Host, mode: Mode, shots: Path) -> None:
        self.host = host
        self.mode = mode
        self.complaints: list[str] = []
        self._shots = shots
        settings = {
            "Comfy.VueNodes.Enabled": mode == "vue",
            # Without it a new user's page begins with the Templates dialog over the canvas.
            "Comfy.TutorialCompleted": True,
            "Comfy.Locale": "en",
            # Drawn by the processor, the canvas would take most of its time.
            "LiteGraph.Canvas.MaximumFps": 10,
            "Comfy.Minimap.Visible": False,
        }
        assert host.http.post("/settings", json=settings).is_success
        context = browser.new_context(
            viewport={"width": 1280, "height": 800}, reduced_motion="reduce"
        )
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.tab = context.new_page()
        self.tab.set_default_timeout(ANSWER_SECONDS * 1000)
        self.tab.on("console", self._listen)
        self.tab.on("pageerror", self._caught)
        self.open_anew()

    def open_anew(self) -> None:
        """As for the first time, in the same tab."""
        self.tab.goto(self.host.url)
        self.tab.wait_for_function(_READY, timeout=READY_SECONDS * 1000)
        # The page opens a workflow of its own; until then it would take the place of any other.
        self.wait("() => app.extensionManager.workflow.activeWorkflow && app.graph.nodes.length")

    def close(self) -> None:
        self.tab.context.close()

    def _listen(self, message: ConsoleMessage) -> None:
        where = message.location.get("url", "")
        if message.type in ("error", "warning") and _is_ours(f"{message.text} {where}"):
            self.complaints.append(f"{message.type}: {message.text} {where}")

    def _caught(self, error: Error) -> None:
        if _is_ours(f"{error.message} {error.stack}"):
            self.complaints.append(f"uncaught: {error.message}")

    def shoot(self, name: str) -> Path:
        """A picture of what the user sees."""
        path = self._shots / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', name)}.png"
        self.tab.screenshot(path=path)
        return path

    def wait(self, expression: str, argument: Any = None) -> None:
        self.tab.wait_for_function(expression, arg=argument)

    def command(self, command_id: str) -> None:
        self.tab.evaluate("(id) => app.extensionManager.command.execute(id)", command_id)

    def theme(self, name: Literal["dark", "light"]) -> None:
        self.set_setting("Comfy.ColorPalette", name)

    def set_setting(self, name: str, value: Any) -> None:
        self.tab.evaluate("([n, v]) => app.extensionManager.setting.set(n, v)", [name, value])

    # Workflows

    def load(self, workflow: JSON) -> None:
        self.tab.evaluate(_LOAD, workflow)

    def workflow(self) -> JSON:
        """What Save would write."""
        text: str = self.tab.evaluate("() => JSON.stringify(app.graph.serialize())")
        found: JSON = json.loads(text)
        return found

    def prompt(self) -> JSON:
        """What Run would send: the inputs of each node by class, whatever the nodes' ids are."""
        sent: JSON = self.tab.evaluate("async () => (await app.graphToPrompt()).output")
        return inputs_by_class(sent)

    def set(self, node_id: int, values: JSON) -> None:
        """Give widgets their values as a hand would, one after the other."""
        self.tab.evaluate(_SET, [node_id, values])

    def to_subgraph(self, *types: str) -> None:
        """Convert the nodes of these types to one subgraph."""
        self.tab.evaluate(_SELECT, list(types))
        self.command("Comfy.Graph.ConvertToSubgraph")
        self.wait("() => app.graph.nodes.some((node) => node.subgraph)")

    def open_template(self, name: str) -> None:
        """Open one of ours as a user does: Templates, the pack's name, the template's card."""
        self.command("Comfy.BrowseTemplates")
        dialog = self.tab.get_by_role("dialog")
        dialog.get_by_text("viseme", exact=True).first.click()
        dialog.get_by_text(name, exact=True).first.click()
        dialog.first.wait_for(state="hidden")
        self.wait("() => app.graph.nodes.some((node) => node.comfyClass?.startsWith('Viseme'))")
        self.command("Comfy.Canvas.FitView")

    # Runs

    def press_run(self) -> JSON:
        """Press Run; what ComfyUI answers to the prompt."""
        button = self.tab.get_by_role("button", name=re.compile("^Run")).first
        with self.tab.expect_response(lambda answer: answer.url.endswith("/prompt")) as sent:
            button.click()
        answer: JSON = sent.value.json()
        return answer

    def run(self, seconds: float = PATIENCE_SECONDS) -> Entry:
        """Press Run, which must be taken; what became of it."""
        answer = self.press_run()
        assert not answer.get("node_errors"), answer
        return self.host.wait(str(answer["prompt_id"]), seconds)

    def await_player(self, filename: str, count: int = 1) -> None:
        """Wait until players of this file are seen and have a picture."""
        self.wait(f"(file) => ({_PLAYS})(file) >= {count}", filename)

    def toast(self, text: str) -> Locator:
        return self.tab.get_by_text(text).first


def inputs_by_class(prompt: JSON) -> JSON:
    """The inputs of a prompt's nodes, links by the class that they come from.

    A node inside a subgraph has another id than before it was put there.
    """
    found: JSON = {}
    for node in prompt.values():
        inputs = {
            name: [prompt[value[0]]["class_type"], value[1]] if isinstance(value, list) else value
            for name, value in node["inputs"].items()
            if name != "video-preview"  # ComfyUI's own nodes have it once they have shown something
        }
        found.setdefault(node["class_type"], []).append(inputs)
    return {name: sorted(nodes, key=json.dumps) for name, nodes in found.items()}


def _is_ours(text: str) -> bool:
    return "viseme" in text.lower()
