"""What goes wrong is read in the page: the whole text of an error, and what the server tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Command
from tests.host.client import FOREVER_SECONDS, SampleGraph, left_job
from tests.host.hosting import ModalSandbox
from tests.web.page import Page

FIRST_STEPS = ROOT / "example_workflows" / "1 First steps.json"

SEEN_CHARACTERS = 150  # of a refused prompt; the rest is in the details


def visible_toast(page: Page, text: str) -> Any:
    toast = page.toast(text)
    toast.wait_for(state="visible")
    return toast


def test_an_error_shows_as_a_toast_with_its_whole_text(page: Page, box: ModalSandbox) -> None:
    box.fault("no-credit", count=1)
    page.open_template(FIRST_STEPS.stem)
    [pixverse] = page.ids_of("VisemePixverseLipSync")
    page.set(pixverse, {"take": 1001 if page.mode == "classic" else 1002})
    entry = page.run()
    assert entry.error
    visible_toast(page, entry.error)


def test_a_missing_key_is_told_before_anything_runs_with_the_place_to_set_it(
    page: Page, box: ModalSandbox
) -> None:
    page.load(json.loads(FIRST_STEPS.read_text("utf-8")))
    page.set(2, {"run_on": "live (paid)"})
    [refused] = page.press_run()["node_errors"].values()
    text = refused["errors"][0]["extra_info"]["exception_message"]
    visible_toast(page, text)
    assert text.index("Extensions > Viseme: keys") < SEEN_CHARACTERS, "the page cuts this off"
    assert box.charges() == []


@pytest.mark.parametrize("severity", ["success", "info", "warn", "error", "unheard of"])
def test_what_the_server_tells_is_shown_as_text_whatever_it_says(page: Page, severity: str) -> None:
    text = f"<img src=x onerror=alert(1)> A {severity} notice."
    page.tab.evaluate(
        """async ([severity, detail]) => {
          const { api } = await import("/scripts/api.js");
          const notice = { severity, summary: "Told by a test", detail };
          api.dispatchEvent(new CustomEvent("viseme.notice", { detail: notice }));
        }""",
        [severity, text],
    )
    visible_toast(page, text)


@pytest.mark.parametrize("open_page", ["classic"], indirect=True, scope="session")
def test_a_job_that_goes_on_without_its_graph_is_told(
    page: Page, box: ModalSandbox, tmp_path: Path
) -> None:
    box.fault("slow-queue", seconds=20)
    graph = SampleGraph(2001)
    graph.save(graph.lip_sync("VisemePixverseLipSync")[0])
    now = tmp_path / "fail"
    graph.add("HelperFail", when=str(now))
    prompt_id = page.host.post(graph)
    box.await_charge()
    now.touch()
    assert "on purpose" in page.host.wait(prompt_id).error
    visible_toast(page, "was sent to fal in the sandbox already")


@pytest.mark.parametrize("open_page", ["classic"], indirect=True, scope="session")
def test_errors_of_others_get_no_toast_of_ours(page: Page) -> None:
    page.tab.evaluate(
        """async () => {
          const { api } = await import("/scripts/api.js");
          for (const [node_type, exception_message] of [
            ["KSampler", "An error of others."],
            ["VisemeSampleClip", "An error of ours."],
          ]) {
            const detail = { node_id: "1", node_type, exception_message };
            api.dispatchEvent(new CustomEvent("execution_error", { detail }));
          }
        }"""
    )
    visible_toast(page, "An error of ours.")
    assert page.tab.get_by_text("An error of others.").count() == 0


def test_a_job_that_an_earlier_program_left_is_told_when_the_page_opens(
    page: Page, box: ModalSandbox
) -> None:
    assert page.host.home is not None
    command = Command(page.host.home)
    box.fault("slow-queue", seconds=FOREVER_SECONDS)
    job_id = left_job(command, box, 3001 if page.mode == "classic" else 3002)
    try:
        page.open_anew()
        toast = visible_toast(page, job_id)
        assert f"{job_id} (fal, sandbox)" in toast.inner_text()
        assert "paid" not in toast.inner_text()
        page.open_anew()
        assert page.toast(job_id).count() == 0, "it was told already"
    finally:
        command("cancel", job_id)
        command.close()


@pytest.mark.parametrize("open_page", ["classic"], indirect=True, scope="session")
def test_a_server_that_cannot_be_asked_for_unfinished_jobs_is_only_warned_of(page: Page) -> None:
    page.tab.route("**/viseme/jobs/left", lambda route: route.abort())
    try:
        page.open_anew()
        page.wait("() => app.extensionManager.command.commands.length")
    finally:
        page.tab.unroute("**/viseme/jobs/left")
    said = [text for text in page.complaints if "Failed to load resource" not in text]
    page.complaints.clear()
    [warning] = said
    assert warning.startswith("warning: Viseme: ComfyUI did not say which lip-syncs are unfinished")
