"""The dialog of the keys: used with mouse or keyboard, read by screen readers, and forgetful."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.web.page import Page

CANARY = "canary-id-4d0b:canary-secret-b7e2"
ENDING = "canary-secret-b7e2"
# All that a page holds of what was typed: its markup, its fields, what it stores, its workflow.
_HOLDINGS = """async () => JSON.stringify([
  document.documentElement.outerHTML,
  [...document.querySelectorAll("input, textarea")].map((field) => field.value),
  { ...localStorage }, { ...sessionStorage }, document.cookie,
  app.graph.serialize(), (await app.graphToPrompt()).output,
  performance.getEntriesByType("resource").map((entry) => entry.name),
  location.href, history.state,
])"""

pytestmark = pytest.mark.parametrize("open_page", ["classic"], indirect=True, scope="session")


@pytest.fixture
def dialog(page: Page) -> Iterator[Any]:
    """The dialog, opened from the menu, while no key is set."""
    for vendor in ("fal", "aimlapi", "runware"):
        body = {"vendor": vendor, "key": None}
        answer = page.host.http.post("/viseme/keys", json=body, headers={"X-Viseme": "test"})
        assert answer.status_code == 200
    page.tab.locator(".comfyui-logo, .comfy-menu-button-wrapper").first.click()
    page.tab.get_by_text("Extensions", exact=True).first.hover()
    page.tab.get_by_text("Viseme: keys", exact=True).first.click()
    found = page.tab.get_by_role("dialog", name="Viseme: keys")
    found.get_by_label("Key of fal", exact=True).wait_for()
    yield found
    page.tab.evaluate("() => document.querySelector('dialog.viseme-keys')?.close()")


def origins(page: Page) -> dict[str, str | None]:
    vendors = page.host.http.get("/viseme/keys").json()["vendors"]
    return {entry["vendor"]: entry["origin"] for entry in vendors}


NOTHING = {"fal": None, "aimlapi": None, "runware": None}


def test_a_key_is_set_and_cleared_and_the_page_keeps_nothing_of_it(page: Page, dialog: Any) -> None:
    dialog.get_by_label("Key of fal", exact=True).fill(CANARY)
    dialog.get_by_role("button", name="Save the key of fal").click()
    dialog.get_by_text("The key of fal is kept.").wait_for()
    assert "Set, in Viseme's private file" in dialog.inner_text()
    assert origins(page) == {**NOTHING, "fal": "credentials.json"}
    assert page.host.home is not None
    kept = json.loads((page.host.home / "credentials.json").read_text())
    assert kept == {"fal": CANARY}
    assert ENDING not in page.tab.evaluate(_HOLDINGS)
    dialog.get_by_role("button", name="Close").click()
    assert ENDING not in page.tab.evaluate(_HOLDINGS)
    for path in ("/settings", "/history", "/internal/logs"):
        assert ENDING not in page.host.http.get(path).text
    page.command("Viseme.Keys")
    dialog.get_by_role("button", name="Clear the key of fal").click()
    dialog.get_by_text("The key of fal is cleared.").wait_for()
    assert origins(page) == NOTHING


def test_what_was_typed_and_not_saved_is_forgotten(page: Page, dialog: Any) -> None:
    dialog.get_by_label("Key of Runware", exact=True).fill(CANARY)
    page.tab.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    assert ENDING not in page.tab.evaluate(_HOLDINGS)
    page.command("Viseme.Keys")
    assert dialog.get_by_label("Key of Runware", exact=True).input_value() == ""
    assert origins(page) == NOTHING


def test_the_keyboard_alone_will_do(page: Page, dialog: Any) -> None:
    press, focused = page.tab.keyboard.press, "() => document.activeElement.getAttribute"
    assert page.tab.evaluate(f"{focused}('aria-label')") == "Key of fal"
    page.tab.keyboard.type(CANARY)
    press("Enter")
    dialog.get_by_text("The key of fal is kept.").wait_for()
    order = ["Save the key of fal", "Clear the key of fal", "Key of AI/ML API"]
    for name in order:
        press("Tab")
        assert page.tab.evaluate(f"{focused}('aria-label')") == name
    press("Shift+Tab")
    press("Space")
    dialog.get_by_text("The key of fal is cleared.").wait_for()
    assert page.tab.evaluate(f"{focused}('aria-label')") == "Key of fal"
    assert origins(page) == NOTHING
    press("Escape")
    dialog.wait_for(state="detached")


def test_screen_readers_are_told_names_states_and_errors(page: Page, dialog: Any) -> None:
    field = dialog.get_by_role("textbox", name="Key of fal")
    assert field.get_attribute("type") == "password"
    described = field.get_attribute("aria-describedby")
    assert page.tab.locator(f"#{described}").inner_text() == "Not set"
    for vendor in ("fal", "AI/ML API", "Runware"):
        assert dialog.get_by_role("region", name=vendor, exact=True).count() == 1
    field.fill("no colon")
    page.tab.keyboard.press("Enter")
    alert = dialog.get_by_role("alert")
    alert.get_by_text("That is not a key of fal").wait_for()
    assert field.get_attribute("aria-invalid") == "true"
    field.fill("")
    page.tab.keyboard.press("Enter")
    alert.get_by_text("The key of fal is empty").wait_for()
    assert origins(page) == NOTHING
    # The browser itself notes that the first was refused; nothing else may be said.
    refused = [text for text in page.complaints if "400" in text and "/viseme/keys" in text]
    assert refused == page.complaints
    page.complaints.clear()


def test_the_pages_shortcuts_see_nothing_of_what_is_typed(page: Page, dialog: Any) -> None:
    page.tab.evaluate("() => { app.graph.clear(); }")
    prompts: list[str] = []
    page.tab.on("request", lambda sent: prompts.append(sent.url))
    field = dialog.get_by_label("Key of AI/ML API", exact=True)
    field.focus()
    page.tab.evaluate("(text) => navigator.clipboard.writeText(text)", CANARY)
    page.tab.keyboard.press("Control+V")
    assert field.input_value() == CANARY
    for keys in ("Control+Enter", "r", "w", "q", "Control+S", "Control+A", "Delete"):
        page.tab.keyboard.press(keys)
    page.tab.wait_for_timeout(300)
    assert not [url for url in prompts if url.endswith(("/prompt", "/object_info"))]
    assert page.tab.evaluate("() => app.graph.nodes.length") == 0
    assert dialog.is_visible()
    assert page.tab.get_by_role("dialog").count() == 1
    page.tab.evaluate("() => navigator.clipboard.writeText('')")


def test_the_dialog_opens_once(page: Page, dialog: Any) -> None:
    page.command("Viseme.Keys")
    page.command("Viseme.Keys")
    assert page.tab.locator("dialog.viseme-keys").count() == 1


# What the eye needs (WCAG 2.1, contrast of text at least 4.5), worked out from computed colours.
_CONTRASTS = """() => {
  const light = (colour) => {
    const canvas = document.createElement("canvas").getContext("2d");
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const parts = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((v) => v / 255);
    const [r, g, b] = parts.map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const dialog = document.querySelector("dialog.viseme-keys");
  const ground = getComputedStyle(dialog).backgroundColor;
  const shown = [...dialog.querySelectorAll("h2, h3, p, input, button")];
  return shown.filter((element) => !element.disabled).map((element) => {
    const style = getComputedStyle(element);
    const clear = style.backgroundColor === "rgba(0, 0, 0, 0)";
    const [a, b] = [light(style.color), light(clear ? ground : style.backgroundColor)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    return [element.textContent || element.id, ratio];
  });
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_its_texts_are_readable_in_light_and_dark(page: Page, dialog: Any, theme: Any) -> None:
    page.theme(theme)
    dialog.get_by_label("Key of fal", exact=True).fill("")
    page.tab.keyboard.press("Enter")
    dialog.get_by_role("alert").get_by_text("The key of fal is empty").wait_for()
    # The theme's colours are faded over.
    page.wait("() => !document.getAnimations().some((each) => each instanceof CSSTransition)")
    page.shoot(f"keys-{theme}")
    low = [(text, ratio) for text, ratio in page.tab.evaluate(_CONTRASTS) if ratio < 4.5]
    assert low == []


_TEXTS = """() => [...document.querySelectorAll("dialog.viseme-keys :is(h2, p, button, input)")]
  .map((element) => [element.textContent, element.placeholder, element.ariaLabel].join(" ").trim())
  .filter(Boolean)"""
LOCALES = sorted((ROOT / "locales").iterdir())


@pytest.mark.parametrize("folder", LOCALES, ids=lambda folder: folder.name)
def test_it_speaks_the_languages_of_the_nodes(page: Page, folder: Path) -> None:
    command = json.loads((folder / "commands.json").read_text("utf-8"))["Viseme_Keys"]["label"]
    page.set_setting("Comfy.Locale", folder.name)
    page.command("Viseme.Keys")
    dialog = page.tab.get_by_role("dialog", name=command, exact=True)
    dialog.get_by_role("region", name="Runware").wait_for()
    texts = page.tab.evaluate(_TEXTS)
    page.shoot(f"keys-{folder.name}")
    page.tab.keyboard.press("Escape")
    page.set_setting("Comfy.Locale", "en")
    page.command("Viseme.Keys")
    page.tab.get_by_role("region", name="Runware").wait_for()
    english = page.tab.evaluate(_TEXTS)
    page.tab.keyboard.press("Escape")
    assert len(texts) == len(english)
    assert not [text for text in texts if "{" in text]
    assert folder.name == "en" or not set(texts) & set(english)
