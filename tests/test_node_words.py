"""What the core says in the words of the command line has words of the nodes too."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from viseme.endpoints import ENDPOINTS

ROOT = Path(__file__).parent.parent
OF_THE_COMMAND_ALONE = {"cli", "sandbox"}
OPTION = re.compile(r"--[a-z][a-z-]*")
# What the command that starts the sandbox is given; no text for anybody.
NEVER_SAID = {"--time-scale", "--idle-seconds"}


def _words() -> dict[str, str]:
    """The table of nodes/_errors.py, which only a running ComfyUI could import."""
    tree = ast.parse((ROOT / "nodes" / "_errors.py").read_text("utf-8"))
    (table,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_WORDS"
    )
    found: dict[str, str] = ast.literal_eval(table)
    return found


def _texts(file: Path) -> Iterator[str]:
    """Every text in the code but docstrings, ``{}`` where a value comes."""
    tree = ast.parse(file.read_text("utf-8"))
    parts = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values
            )
        elif isinstance(node, ast.Constant) and id(node) not in parts | docstrings:
            yield str(node.value)


def test_every_option_that_an_error_may_name_has_a_word_of_the_nodes() -> None:
    words = _words()
    named = set()
    for file in (ROOT / "viseme").rglob("*.py"):
        if OF_THE_COMMAND_ALONE.isdisjoint(file.relative_to(ROOT / "viseme").parts):
            for text in _texts(file):
                for spoken in text.split("`")[::2]:
                    named |= set(OPTION.findall(spoken))
    assert {"--video", "--audio", "--home", "--sandbox"} <= named
    assert named - NEVER_SAID <= words.keys()


def test_a_vendors_names_for_media_have_words_of_the_nodes() -> None:
    words = _words()
    own = {"video", "audio", "text", "voice"}  # what inputs are called too, or nearly
    own |= {"video_url", "audio_url", "speech.text", "speech.voice"}
    for endpoint in ENDPOINTS.values():
        fields = {endpoint.video_field, endpoint.audio_field}
        fields |= {field for field in (endpoint.text_field, endpoint.voice_field) if field}
        assert fields - own <= words.keys()
