"""What ComfyUI, its Manager and its registry read beside the nodes is whole and agrees."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "web" / "docs"
LOCALES = ROOT / "locales"
LANGUAGES = {"en", "zh", "ja", "ko", "fr", "es", "pt-BR"}
TEMPLATES = sorted((ROOT / "example_workflows").glob("*.json"))
BLUEPRINTS = sorted((ROOT / "subgraphs").glob("*.json"))
CORE_NODES = {
    "CreateVideo",
    "GetVideoComponents",
    "ImageFlip",
    "ImageScaleBy",
    "LoadAudio",
    "LoadVideo",
    "MarkdownNote",
    "PreviewAny",
    "SaveVideo",
}
OWN_FILES = {"LoadVideo", "LoadAudio"}  # what these load is the user's to choose
MOST_CARD_BYTES, MOST_PICTURE_BYTES = 60_000, 150_000
SECRET = re.compile(r"(?i)api[_-]?key|secret|token|bearer|[0-9a-f]{8}-[0-9a-f-]{27}:[0-9a-f]{16}")
LOCAL_PATH = re.compile(r"(^|[\s\"'(])(/[\w.-]+/|[A-Za-z]:\\|~/|\\\\)|file://|localhost|127\.0\.0")


def _node_ids() -> set[str]:
    """The ids as the nodes' own files have them."""
    found = set()
    for file in (ROOT / "nodes").glob("[!_]*.py"):
        text = file.read_text("utf-8")
        if "io.ComfyNode)" in text:
            found |= set(re.findall(r'(?:_NODE_ID = |node_id=)"(\w+)"', text))
    return found


NODE_IDS = sorted(_node_ids())


def _json(file: Path) -> Any:
    return json.loads(file.read_text("utf-8"))


def _section(name: str) -> str:
    """A table of pyproject.toml as text: Python 3.10 has no parser."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    return re.split(r"^\[", text.partition(f"\n[{name}]\n")[2], maxsplit=1, flags=re.M)[0]


def _value(section: str, name: str) -> str | None:
    found = re.search(rf'^{name} = "(.*)"$', section, re.M)
    return found and found.group(1)


def _graphs(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield workflow
    yield from workflow.get("definitions", {}).get("subgraphs", [])


def _nodes(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for graph in _graphs(workflow):
        yield from graph["nodes"]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _keys(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _keys(inner, f"{path}/{name}")
    else:
        yield path


def _jpeg_size(content: bytes) -> tuple[int, int]:
    """Width and height from the frame header."""
    place = 2
    while place < len(content):
        marker, length = content[place + 1], struct.unpack(">H", content[place + 2 : place + 4])[0]
        if 0xC0 <= marker <= 0xC3:
            height, width = struct.unpack(">HH", content[place + 5 : place + 9])
            return width, height
        place += 2 + length
    raise ValueError("no frame header")


def _png_size(content: bytes) -> tuple[int, int]:
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def test_manager_is_told_of_every_node() -> None:
    assert len(NODE_IDS) == 7
    listed = _json(ROOT / "node_list.json")
    assert sorted(listed) == NODE_IDS
    assert all(listed.values())


@pytest.mark.parametrize("node_id", NODE_IDS)
def test_every_node_has_a_help_page_whose_pictures_exist(node_id: str) -> None:
    text = (DOCS / f"{node_id}.md").read_text("utf-8")
    assert "## What leaves this machine" in text
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert pictures
    for picture in pictures:
        assert not picture.startswith(("/", "http"))  # the page puts the folder before it
        content = (DOCS / picture).read_bytes()
        assert len(content) <= MOST_PICTURE_BYTES
        assert min(_jpeg_size(content)) >= 200


@pytest.mark.parametrize("node_id", NODE_IDS)
def test_a_help_page_names_every_input_and_output(node_id: str) -> None:
    text = (DOCS / f"{node_id}.md").read_text("utf-8")
    node = _json(LOCALES / "en" / "nodeDefs.json")[node_id]
    slots = (*node.get("inputs", {}).values(), *node["outputs"].values())
    missing = [s["name"] for s in slots if not re.search(rf"\b{s['name']}\b", text)]
    assert not missing


def test_no_help_page_is_of_a_node_that_is_not_there() -> None:
    assert sorted(page.stem for page in DOCS.glob("*.md")) == NODE_IDS
    shown = set()
    for page in DOCS.glob("*.md"):
        shown |= set(re.findall(r"\(images/([^)]+)\)", page.read_text("utf-8")))
    assert {picture.name for picture in (DOCS / "images").iterdir()} == shown


def test_every_language_has_the_same_keys_and_no_empty_text() -> None:
    assert {folder.name for folder in LOCALES.iterdir()} == LANGUAGES
    names = {file.name for file in (LOCALES / "en").iterdir()}
    for language in LANGUAGES:
        assert {file.name for file in (LOCALES / language).iterdir()} == names
        for name in names:
            here, english = _json(LOCALES / language / name), _json(LOCALES / "en" / name)
            assert sorted(_keys(here)) == sorted(_keys(english)), f"{language}/{name}"
            assert all(text.strip() for text in _texts(here))


def test_the_words_of_every_node_are_translated() -> None:
    english = _json(LOCALES / "en" / "nodeDefs.json")
    assert sorted(english) == NODE_IDS
    for language in LANGUAGES - {"en"}:
        there = _json(LOCALES / language / "nodeDefs.json")
        for node_id, node in english.items():
            assert there[node_id]["description"] != node["description"]
            for name, entry in node.get("inputs", {}).items():
                tooltip = there[node_id]["inputs"][name]["tooltip"]
                assert tooltip != entry["tooltip"], f"{language}: {node_id}.{name}"


def test_a_translated_name_of_an_input_is_followed_by_its_id() -> None:
    """By which errors, tooltips and help pages call it; English shows the id itself."""
    english = _json(LOCALES / "en" / "nodeDefs.json")
    for language in LANGUAGES - {"en"}:
        there = _json(LOCALES / language / "nodeDefs.json")
        for node_id, node in english.items():
            for key, entry in node.get("inputs", {}).items():
                input_id, name = entry["name"], there[node_id]["inputs"][key]["name"]
                behind = f"（{input_id}）" if language in {"zh", "ja"} else f" ({input_id})"
                is_translated = name.endswith(behind) and name != behind
                assert name == input_id or is_translated, (language, name)


def test_an_input_has_one_name_in_a_language() -> None:
    english = _json(LOCALES / "en" / "nodeDefs.json")
    for language in LANGUAGES:
        names: dict[str, str] = {}
        for node_id, node in _json(LOCALES / language / "nodeDefs.json").items():
            for key, entry in node.get("inputs", {}).items():
                input_id = english[node_id]["inputs"][key]["name"]
                assert names.setdefault(input_id, entry["name"]) == entry["name"], language


def test_no_name_or_description_has_signs_that_the_page_would_interpret() -> None:
    for language in LANGUAGES:
        for node in _json(LOCALES / language / "nodeDefs.json").values():
            shown = [node["display_name"], node["description"]]
            slots = (*node.get("inputs", {}).values(), *node["outputs"].values())
            shown += [slot["name"] for slot in slots]
            assert not [text for text in shown if set(text) & set("{}@|$")]


def test_numbers_in_tooltips_are_the_same_in_every_language() -> None:
    """A limit or default that was changed in one language only would be found here."""
    for language in LANGUAGES - {"en"}:
        there = dict(_by_path(_json(LOCALES / language / "nodeDefs.json")))
        for path, text in _by_path(_json(LOCALES / "en" / "nodeDefs.json")):
            numbers = {n for n in re.findall(r"\d+(?:\.\d+)?", text) if float(n) > 5}
            assert numbers <= set(re.findall(r"\d+(?:\.\d+)?", there[path])), (language, path)


def test_every_language_says_which_parts_of_an_id_are_enough() -> None:
    """Its beginning, and the beginning of what follows the hyphen; no other part is looked for."""
    hyphens = {"en": "hyphen", "zh": "连字符", "ja": "ハイフン", "ko": "하이픈"}
    hyphens |= {"fr": "trait d'union", "es": "guion", "pt-BR": "hífen"}
    for language in LANGUAGES:
        node = _json(LOCALES / language / "nodeDefs.json")["VisemeCollectLipSyncJob"]
        assert hyphens[language] in node["inputs"]["job_id"]["tooltip"]
    page = (DOCS / "VisemeCollectLipSyncJob.md").read_text("utf-8")
    assert "Its beginning, or the beginning of what follows the hyphen, is enough" in page


def _page_words() -> dict[str, dict[str, str]]:
    """What web/words.js says, by language and word."""
    source = (ROOT / "web" / "words.js").read_text("utf-8")
    source = re.sub(r'" \+\s+"', "", source)
    (english,) = re.findall(r"^const ENGLISH = \{\n(.*?)^\};", source, re.M | re.S)
    blocks = {"en": english, **dict(re.findall(r"^  (\w+): \{\n(.*?)^  \},", source, re.M | re.S))}
    blocks["pt-BR"] = blocks.pop("pt")
    return {
        language: dict(re.findall(r'^ +(\w+):\s*"(.*)",$', block, re.M))
        for language, block in blocks.items()
    }


def test_the_page_names_a_node_as_its_own_language_does() -> None:
    told = _page_words()
    assert set(told) == LANGUAGES
    for language, texts in told.items():
        assert texts.keys() == told["en"].keys(), language
        nodes = _json(LOCALES / language / "nodeDefs.json")
        assert nodes["VisemeCollectLipSyncJob"]["display_name"] in texts["leftRemedy"], language


def test_no_space_stands_between_two_chinese_or_japanese_characters() -> None:
    wide = "[\u3000-\u30ff\u4e00-\u9fff\uff00-\uffef]"
    for language in ("zh", "ja"):
        files = (LOCALES / language).iterdir()
        texts = [text for file in files for text in _texts(_json(file))]
        for text in (*texts, *_page_words()[language].values()):
            assert not re.search(f"{wide} +{wide}", text), text


def _by_path(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    else:
        for name, inner in value.items():
            yield from _by_path(inner, f"{path}/{name}")


def test_requirements_are_what_comfyui_lacks_with_the_packages_own_bounds() -> None:
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    asked = [Requirement(line) for line in lines if line and not line.startswith("#")]
    (listed,) = re.findall(r"^dependencies = \[\n(.*?)^\]", _section("project"), re.M | re.S)
    own = {r.name: r for r in map(Requirement, re.findall(r'"(.+)"', listed))}
    assert {r.name for r in asked} == {"httpx", "platformdirs", "pybase64"}
    for requirement in asked:
        assert str(requirement) == str(own[requirement.name])


def test_the_registry_is_told_who_and_for_which_comfyui() -> None:
    comfy = _section("tool.comfy")
    assert _value(comfy, "PublisherId") == "viseme"
    assert _value(comfy, "DisplayName") == "Viseme"
    assert _value(comfy, "requires-comfyui") == ">=0.25"
    assert "comfyui" not in str(_value(_section("project"), "name")).lower()
    # The registry shows these three by public addresses: none, or each of them.
    urls = _section("project.urls")
    public = [_value(urls, "Repository"), *(_value(comfy, name) for name in ("Icon", "Banner"))]
    assert not any(public) or all(str(address).startswith("https://") for address in public)


def test_icon_and_banner_have_the_registrys_shapes() -> None:
    assert _png_size((ROOT / "assets" / "icon.png").read_bytes()) == (400, 400)
    width, height = _png_size((ROOT / "assets" / "banner.png").read_bytes())
    assert width * 9 == height * 21


def _is_left_out(path: str) -> bool:
    """As .comfyignore says; its patterns are anchored, folders end with a slash."""
    lines = (ROOT / ".comfyignore").read_text("utf-8").splitlines()
    for pattern in (line[1:] for line in lines if line.startswith("/")):
        if path.startswith(pattern) if pattern.endswith("/") else fnmatch(path, pattern):
            return True
    return False


def test_the_registrys_archive_has_what_runs_and_no_tests() -> None:
    lines = (ROOT / ".comfyignore").read_text("utf-8").splitlines()
    assert all(line.startswith(("/", "#")) for line in lines if line)
    for path in ("tests/test_pack_files.py", "tools/make_templates.py", ".ci/run", "Makefile"):
        assert _is_left_out(path), path
    kept = ["__init__.py", "pyproject.toml", "requirements.txt", "node_list.json", "README.md"]
    kept += ["LICENSE", "viseme/cli/__init__.py", "viseme/sandbox/__main__.py"]
    for folder in ("nodes", "web", "locales", "example_workflows", "subgraphs", "viseme/samples"):
        kept += [f.relative_to(ROOT).as_posix() for f in (ROOT / folder).rglob("*") if f.is_file()]
    for path in kept:
        assert (ROOT / path).exists(), path
        assert not _is_left_out(path), path


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: str(file.stem))
def test_a_template_has_a_card_and_a_note(file: Path) -> None:
    card = file.with_suffix(".jpg").read_bytes()
    assert len(card) <= MOST_CARD_BYTES
    assert _jpeg_size(card) == (400, 400)
    (note,) = (node for node in _nodes(_json(file)) if node["type"] == "MarkdownNote")
    assert note["widgets_values"][0].strip()


@pytest.mark.parametrize("file", [*TEMPLATES, *BLUEPRINTS], ids=lambda file: str(file.stem))
def test_a_graph_uses_known_nodes_and_tells_nothing_of_its_maker(file: Path) -> None:
    workflow = _json(file)
    own = {graph["id"] for graph in _graphs(workflow) if "inputNode" in graph}
    kinds = {node["type"] for node in _nodes(workflow)}
    assert kinds <= CORE_NODES | set(NODE_IDS) | own
    assert kinds & set(NODE_IDS)
    for text in _texts(workflow):
        assert not SECRET.search(text), text
        assert not LOCAL_PATH.search(text), text
    for node in _nodes(workflow):
        if node["type"] in OWN_FILES:
            assert node["widgets_values"][0] is None


@pytest.mark.parametrize("file", [*TEMPLATES, *BLUEPRINTS], ids=lambda file: str(file.stem))
def test_a_graph_starts_in_the_free_sandbox(file: Path) -> None:
    texts = [text for node in _nodes(_json(file)) for text in _texts(node.get("widgets_values"))]
    assert "live (paid)" not in texts
    assert "sandbox (free)" in texts


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: str(file.stem))
def test_every_link_of_a_template_joins_two_slots(file: Path) -> None:
    workflow = _json(file)
    nodes = {node["id"]: node for node in workflow["nodes"]}
    for number, source, output, target, _, _ in workflow["links"]:
        assert number in nodes[source]["outputs"][output]["links"]
        assert number in [slot["link"] for slot in nodes[target]["inputs"]]


def test_names_of_templates_need_no_quoting_in_an_address() -> None:
    assert TEMPLATES
    assert BLUEPRINTS
    for file in (*TEMPLATES, *BLUEPRINTS):
        assert re.fullmatch(r"[\w ,-]+", file.stem), file.stem


def test_the_readme_posts_a_prompt_of_known_nodes() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    (prompt,) = (
        json.loads(text)["prompt"]
        for text in re.findall(r"^```json\n(.*?)^```", readme, re.M | re.S)
        if "class_type" in text
    )
    assert {node["class_type"] for node in prompt.values()} <= CORE_NODES | set(NODE_IDS)
    for node in prompt.values():
        for value in node["inputs"].values():
            if isinstance(value, list):
                assert value[0] in prompt
