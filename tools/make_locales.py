"""Writes locales/*/*.json anew from the nodes of a running ComfyUI.

``python tools/make_locales.py http://127.0.0.1:8188 [NEW.json]``, where it runs with this pack.
English is what the schemas say. Every other language is carried over text by text: what was
translated stays, also where it moved; NEW.json has translations to add, as
``{"fr": {"English text": "texte"}}``. An input's name is followed by the id by which errors and
tooltips call it, where the two differ. Says what has no translation yet, and then writes nothing.
With ``--check`` in the place of NEW.json it only says which files are not as they would be written.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

LOCALES = Path(__file__).resolve().parent.parent / "locales"
LANGUAGES = ("zh", "ja", "ko", "fr", "es", "pt-BR")
WIDE = {"zh", "ja"}  # whose brackets are as wide as their letters
FILES = ("nodeDefs.json", "commands.json", "main.json")
PREFIX = "Viseme"
# web/viseme.js has it in English. The list of shortcuts looks it up by the command, the menu by
# the English label.
KEYS_LABEL = "Viseme: keys"
COMMANDS = {"Viseme_Keys": {"label": KEYS_LABEL}}
MENU = {"menuLabels": {KEYS_LABEL: KEYS_LABEL}}


def english(object_info: Mapping[str, Any]) -> dict[str, Any]:
    """The nodes' names and words, keyed as the page looks them up: dots become underscores."""
    nodes = {}
    for node_id, node in sorted(object_info.items()):
        if not node_id.startswith(PREFIX):
            continue
        entry: dict[str, Any] = {
            "display_name": node["display_name"],
            "description": node["description"],
        }
        inputs: dict[str, Any] = {}
        for path, spec in _inputs(node["input"], ""):
            said = {"name": spec.get("display_name") or path.rpartition(".")[2]}
            if spec.get("tooltip"):
                said["tooltip"] = spec["tooltip"]
            key = path.replace(".", "_")
            if inputs.setdefault(key, said) != said:
                raise SystemExit(f"{node_id} says two things of {path}.")
        if inputs:
            entry["inputs"] = inputs
        entry["outputs"] = {
            str(index): {"name": name} | ({"tooltip": tooltip} if tooltip else {})
            for index, (name, tooltip) in enumerate(
                zip(node["output_name"], node["output_tooltips"], strict=True)
            )
        }
        nodes[node_id] = entry
    return nodes


def _inputs(groups: Mapping[str, Any], outer: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for group in ("required", "optional"):
        for name, (kind, *rest) in (groups.get(group) or {}).items():
            spec = rest[0] if rest else {}
            yield f"{outer}{name}", spec
            if kind == "COMFY_DYNAMICCOMBO_V3":
                for option in spec["options"]:
                    yield from _inputs(option["inputs"], f"{outer}{name}.")


def texts(document: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(document, str):
        yield path, document
        return
    for key, inner in document.items():
        yield from texts(inner, (*path, key))


def known(language: str) -> dict[str, str]:
    """English text to the text of that language, from the files as they are."""
    pairs: dict[str, str] = {}
    for name in FILES:
        here, there = (dict(texts(_read(LOCALES / code / name))) for code in ("en", language))
        for path, text in here.items():
            if path in there:
                is_name = is_input_name(path)
                pairs[text] = without_id(there[path], text, language) if is_name else there[path]
    return pairs


def is_input_name(path: tuple[str, ...]) -> bool:
    return path[-1] == "name" and path[1:2] == ("inputs",)


def with_id(name: str, input_id: str, language: str) -> str:
    """An input's name in a language, with its id where that is another word."""
    return name if name == input_id else name + _behind(input_id, language)


def without_id(name: str, input_id: str, language: str) -> str:
    return name.removesuffix(_behind(input_id, language))


def _behind(input_id: str, language: str) -> str:
    return f"（{input_id}）" if language in WIDE else f" ({input_id})"


def _read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def _text(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def translated(
    document: Any, pairs: Mapping[str, str], language: str, path: tuple[str, ...] = ()
) -> Any:
    if isinstance(document, str):
        text = pairs[document]
        return with_id(text, document, language) if is_input_name(path) else text
    return {
        key: translated(inner, pairs, language, (*path, key)) for key, inner in document.items()
    }


def _made(object_info: Mapping[str, Any], added: Mapping[str, Any]) -> dict[Path, str]:
    """Every file with what is to be in it. Ends the program where a translation is missing."""
    documents = dict(zip(FILES, (english(object_info), COMMANDS, MENU), strict=True))
    wanted = {text for document in documents.values() for _, text in texts(document)}
    by_language = {code: known(code) | added.get(code, {}) for code in LANGUAGES}
    missing = {code: sorted(wanted - pairs.keys()) for code, pairs in by_language.items()}
    if any(missing.values()):
        sys.stdout.write(_text(missing))
        raise SystemExit("Nothing was written: these have no translation.")
    made = {}
    for name, document in documents.items():
        made[LOCALES / "en" / name] = _text(document)
        for code in LANGUAGES:
            made[LOCALES / code / name] = _text(translated(document, by_language[code], code))
    return made


def main() -> None:
    object_info = httpx.get(f"{sys.argv[1].rstrip('/')}/object_info", timeout=60).json()
    only_check = "--check" in sys.argv[2:]
    added = _read(Path(sys.argv[2])) if len(sys.argv) > 2 and not only_check else {}
    changed = [
        (file, text)
        for file, text in _made(object_info, added).items()
        if not file.exists() or file.read_text(encoding="utf-8") != text
    ]
    for file, text in changed:
        if not only_check:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    if only_check and changed:
        names = ", ".join(str(file.relative_to(LOCALES)) for file, _ in changed)
        raise SystemExit(f"Not what the nodes say: {names}. Run this without --check.")


if __name__ == "__main__":
    main()
