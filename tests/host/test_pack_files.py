"""What lies beside the nodes, as a running ComfyUI serves it to its page."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.conftest import ROOT
from tests.host.client import Client
from tests.host.hosting import Host

PACK = "viseme"


def _json(host: Client, path: str) -> Any:
    answer = host.http.get(path)
    assert answer.status_code == 200, path
    return answer.json()


def test_the_words_of_every_language_are_those_of_the_nodes(comfy: Host) -> None:
    said = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "make_locales.py"), comfy.url, "--check"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr


def test_every_language_reaches_the_page(comfy: Host) -> None:
    served = _json(comfy, "/i18n")
    for folder in (ROOT / "locales").iterdir():
        nodes = json.loads((folder / "nodeDefs.json").read_text("utf-8"))
        assert nodes.items() <= served[folder.name]["nodeDefs"].items()
        assert "Viseme_Keys" in served[folder.name]["commands"]


def test_every_help_page_and_its_pictures_are_served(comfy: Host) -> None:
    for page in (ROOT / "web" / "docs").glob("*.md"):
        folder = f"/extensions/{PACK}/docs"
        answer = comfy.http.get(f"{folder}/{page.name}")
        assert answer.text == page.read_text("utf-8")
        for picture in re.findall(r"\]\((images/[^)]+)\)", answer.text):
            found = comfy.http.get(f"{folder}/{picture}")
            assert (found.status_code, found.headers["content-type"]) == (200, "image/jpeg")


def test_every_template_is_listed_and_served_with_its_card(comfy: Host) -> None:
    files = sorted((ROOT / "example_workflows").glob("*.json"))
    assert sorted(_json(comfy, "/workflow_templates")[PACK]) == [file.stem for file in files]
    for file in files:
        address = f"/api/workflow_templates/{PACK}/{quote(file.stem)}"
        assert _json(comfy, f"{address}.json") == json.loads(file.read_text("utf-8"))
        assert comfy.http.get(f"{address}.jpg").headers["content-type"] == "image/jpeg"


def test_the_blueprint_is_listed_and_served(comfy: Host) -> None:
    (file,) = (ROOT / "subgraphs").glob("*.json")
    listed = _json(comfy, "/global_subgraphs")
    (key,) = (key for key, entry in listed.items() if entry["info"]["node_pack"].endswith(PACK))
    assert listed[key]["name"] == file.stem
    data = _json(comfy, f"/global_subgraphs/{key}")["data"]
    assert json.loads(data) == json.loads(file.read_text("utf-8"))


def test_the_prompt_of_the_readme_makes_a_video(comfy: Host, box: object) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    blocks = re.findall(r"^```json\n(.*?)^```$", readme, re.M | re.S)
    (body,) = (json.loads(text) for text in blocks if "class_type" in text)
    answer = comfy.http.post("/prompt", json=body)
    assert answer.json()["node_errors"] == {}
    entry = comfy.wait(answer.json()["prompt_id"])
    assert entry.is_success
    (saved,) = list((Path(comfy.base) / "output" / "video").glob("api_*.mp4"))
    assert saved.stat().st_size > 10_000
