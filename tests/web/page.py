"""ComfyUI's page in a real browser: opened, given workflows, run, and looked at."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
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
_SELECT_SUBGRAPH = """() => {
  app.canvas.deselectAll();
  app.canvas.select(app.graph.nodes.find((node) => node.subgraph));
}"""
# A node's widgets are where they were until the next drawing, and the view may still be moving.
_AT_WIDGET = """async ([id, name]) => {
  const node = app.graph.getNodeById(id) ?? app.graph.getNodeById(Number(id));
  const at = () => {
    app.canvas.draw(true, true);
    const widget = node.widgets.find((widget) => widget.name === name);
    const [x, y] = [node.pos[0] + node.size[0] / 2, node.pos[1] + widget.y + 10];
    return app.canvasPosToClientPos([x, y]);
  };
  for (let before = null, now = at(); ; before = now, now = at()) {
    if (String(before) === String(now)) return now;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
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

    @contextmanager
    def other_mode(self) -> Iterator[None]:
        """Switch to the mode that this page is not in, and back."""
        switch = "Comfy.VueNodes.Enabled"
        self.set_setting(switch, self.mode == "classic")
        try:
            yield
        finally:
            self.set_setting(switch, self.mode == "vue")

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

    def save_as(self, name: str) -> None:
        """Save a new workflow under a name that none has yet."""
        self.tab.evaluate("() => void app.extensionManager.command.execute('Comfy.SaveWorkflow')")
        dialog = self.tab.get_by_role("dialog", name="Save workflow")
        dialog.get_by_role("textbox").fill(name)
        self.tab.keyboard.press("Enter")
        dialog.wait_for(state="hidden")
        self.wait("() => !app.extensionManager.workflow.activeWorkflow.isModified")

    def reopen(self, name: str) -> None:
        """Close the workflow that is open, and open a saved one from the page's list."""
        self.command("Workspace.CloseWorkflow")
        self.wait(
            "(name) => !app.extensionManager.workflow.openWorkflows.some("
            "(open) => open.filename === name)",
            name,
        )
        self.command("Workspace.ToggleSidebarTab.workflows")
        self.tab.get_by_text(name, exact=True).last.click()
        self.wait("(name) => app.extensionManager.workflow.activeWorkflow.filename === name", name)
        self.command("Workspace.ToggleSidebarTab.workflows")

    def choose(self, node_id: int, name: str, value: str) -> None:
        """Choose from a node's list with the mouse; the node must be in view."""
        if self.mode == "classic":
            self.tab.mouse.click(*self.tab.evaluate(_AT_WIDGET, [node_id, name]))
            entries = self.tab.locator(".litecontextmenu").get_by_role("menuitem")
            entries.get_by_text(value, exact=True).click()
            return
        node = self.tab.locator(f'[data-node-id="{node_id}"]')
        label = self.tab.get_by_text(name, exact=True)
        widget = node.get_by_test_id("node-widget").filter(has=label)
        widget.locator("button, [role=combobox]").first.click()
        files = self.tab.get_by_test_id("form-dropdown-menu")
        choices = self.tab.get_by_role("option").or_(files)
        choices.get_by_text(value, exact=True).first.click()
        choices.first.wait_for(state="hidden")

    def add_from_search(self, title: str, x: int, y: int) -> None:
        """Find a node or a blueprint by its title in the node search, and place it there."""
        self.command("Workspace.SearchBox.Toggle")
        search = self.tab.get_by_role("combobox", name="Add a node...")
        search.fill(title)
        self.tab.get_by_role("option").filter(has_text=title).first.click()
        search.wait_for(state="hidden")
        self.wait("() => app.graph.nodes.some((node) => node.flags.ghost)")
        self.tab.mouse.move(x, y)
        self.tab.mouse.click(x, y)  # until then it follows the mouse
        self.wait("() => !app.graph.nodes.some((node) => node.flags.ghost)")

    def ids_of(self, type: str) -> list[int]:
        """The ids of the nodes of a type, those inside subgraphs left out."""
        script = "(type) => app.graph.nodes.filter((n) => n.type === type).map((n) => Number(n.id))"
        found: list[int] = self.tab.evaluate(script, type)
        return found

    def set(self, node_id: int, values: JSON) -> None:
        """Give widgets their values as a hand would, one after the other."""
        self.tab.evaluate(_SET, [node_id, values])

    def to_subgraph(self, *types: str) -> None:
        """Convert the nodes of these types to one subgraph."""
        self.tab.evaluate(_SELECT, list(types))
        self.command("Comfy.Graph.ConvertToSubgraph")
        self.wait("() => app.graph.nodes.some((node) => node.subgraph)")

    def from_subgraph(self) -> None:
        """Unpack the one subgraph into the graph that it stands in."""
        self.tab.evaluate(_SELECT_SUBGRAPH)
        self.command("Comfy.Graph.UnpackSubgraph")
        self.wait("() => !app.graph.nodes.some((node) => node.subgraph)")

    def enter_subgraph(self) -> None:
        self.tab.evaluate(
            "() => app.canvas.openSubgraph(app.graph.nodes.find((node) => node.subgraph).subgraph)"
        )
        self.wait("() => app.canvas.subgraph")
        self.command("Comfy.Canvas.FitView")

    def leave_subgraph(self) -> None:
        self.command("Comfy.Graph.ExitSubgraph")
        self.wait("() => !app.canvas.subgraph")

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
