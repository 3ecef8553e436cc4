"""ComfyUI's page in Chromium, for the tools that make what the page shows.

A ComfyUI with this pack must be running; it is driven as a user would, only faster.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Page, sync_playwright

CHROMIUM_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
READY = "window.app && app.extensionManager && app.canvas && app.graph"
START_MILLISECONDS = 60_000
RUN_SECONDS = 180

# Queues the graph as it is and waits for its end; the outputs by node, or the error.
RUN = """async (seconds) => {
  const {api} = window.comfyAPI.api;
  const ended = new Promise((resolve) => {
    api.addEventListener("execution_success", () => resolve(null));
    api.addEventListener("execution_error", (event) => resolve(event.detail));
    api.addEventListener("execution_interrupted", (event) => resolve(event.detail));
    setTimeout(() => resolve({exception_message: "it took too long"}), seconds * 1000);
  });
  await app.queuePrompt(0, 1);
  if (app.lastNodeErrors && Object.keys(app.lastNodeErrors).length)
    return JSON.stringify(app.lastNodeErrors);
  const problem = await ended;
  return problem && `${problem.node_type}: ${problem.exception_message}`;
}"""


@contextmanager
def comfy_page(
    address: str, *, width: int = 1600, height: int = 1000, scale: float = 1
) -> Iterator[Page]:
    """The page at ``address``, with the dialog of a first visit closed and an empty graph."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"),
            args=list(CHROMIUM_ARGUMENTS),
        )
        context = browser.new_context(
            viewport={"width": width, "height": height}, device_scale_factor=scale
        )
        page = context.new_page()
        page.goto(address)
        page.wait_for_function(READY, timeout=START_MILLISECONDS)
        page.wait_for_timeout(1500)
        page.keyboard.press("Escape")
        page.evaluate("app.graph.clear()")
        yield page
        browser.close()


def load(page: Page, workflow: dict[str, Any], name: str) -> None:
    """Open a workflow as the page opens a template."""
    page.evaluate(
        "([workflow, name]) => app.loadGraphData(workflow, true, true, name)", [workflow, name]
    )
    page.wait_for_timeout(500)


def run(page: Page) -> None:
    """Queue the graph and wait. Raises ``RuntimeError`` with what the page was told."""
    problem = page.evaluate(RUN, RUN_SECONDS)
    if problem:
        raise RuntimeError(str(problem))
