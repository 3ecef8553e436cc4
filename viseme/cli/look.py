"""endpoints: what can be bought, and all arguments of it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from ..endpoints import ENDPOINTS
from ..endpoints import endpoint as endpoint_by_id
from ..endpoints.base import Endpoint
from ..home import find_home
from ..jobs.signals import CancelToken
from ..settings import Settings
from .output import print_json, say, table


def endpoints_verb(options: argparse.Namespace, cancel: CancelToken) -> int:
    settings = Settings.load(find_home(options.home).settings)
    chosen = [endpoint_by_id(options.endpoint)] if options.endpoint else list(ENDPOINTS.values())
    if options.json:
        print_json({"endpoints": [_document(entry, settings) for entry in chosen]})
        return 0
    if options.endpoint:
        _describe(chosen[0], settings)
        return 0
    rows = [["ENDPOINT", "MODEL", "VENDOR"]]
    rows += [[entry.id, entry.model, entry.vendor.label] for entry in chosen]
    say(table(rows))
    say("\nAll arguments of one: viseme endpoints ENDPOINT")
    return 0


def _document(endpoint: Endpoint, settings: Settings) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "model": endpoint.model,
        "vendor": endpoint.vendor.value,
        "source": endpoint.source,
        "arguments": endpoint.arguments_model.model_json_schema(),
        "assumed": [
            {
                "name": assumption.name,
                "value": endpoint.assumed_value(settings.assumed, assumption.name),
                "default": assumption.default,
                "options": list(assumption.options),
                "meaning": assumption.meaning,
            }
            for assumption in endpoint.assumptions
        ],
    }


def _describe(endpoint: Endpoint, settings: Settings) -> None:
    document = _document(endpoint, settings)
    ways = ", ".join(way.value for way in endpoint.carries)
    say(f"{endpoint.id}: {endpoint.title}, {endpoint.source}")
    say(f"media travel by: {ways}, or an https URL of yours\n")
    say("Arguments (--set NAME=VALUE):")
    schema = document["arguments"]
    for line in _argument_lines(schema, schema, ""):
        say(line)
    if document["assumed"]:
        say('\nAssumed, since no document says it (settings.json, "assumed"):')
        for entry in document["assumed"]:
            options = f" ({', '.join(entry['options'])})" if entry["options"] else ""
            say(f"  {entry['name']} = {entry['value']}{options}")
            say(f"      {entry['meaning']}")


def _argument_lines(schema: Mapping[str, Any], whole: Mapping[str, Any], prefix: str) -> list[str]:
    """Name, type with bounds or options, default and meaning of each argument."""
    lines = []
    for name, field in schema.get("properties", {}).items():
        inner = _inner(field, whole)
        if inner is not None:
            lines += _argument_lines(inner, whole, f"{prefix}{name}.")
            continue
        default = field.get("default")
        if isinstance(default, bool):
            default = str(default).lower()
        shown = "" if default is None else f" = {default}"
        lines.append(f"  {prefix}{name}{shown}  [{_kind(field)}]")
        if field.get("description"):
            lines.append(f"      {field['description']}")
    return lines


def _inner(field: Mapping[str, Any], whole: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schema of a nested object, None for a plain field."""
    for part in (field, *field.get("anyOf", ()), *field.get("allOf", ())):
        if "$ref" in part:
            found: Mapping[str, Any] = whole["$defs"][part["$ref"].rpartition("/")[2]]
            return found if "properties" in found else None
    return None


def _kind(field: Mapping[str, Any]) -> str:
    """A field's type, options and bounds in a few words."""
    parts = [_one_kind(part) for part in field.get("anyOf", [field])]
    return " or ".join(part for part in parts if part != "null")


def _one_kind(part: Mapping[str, Any]) -> str:
    if "enum" in part:
        return ", ".join(str(option) for option in part["enum"])
    if "const" in part:
        return str(part["const"])
    kind = str(part.get("type", "any"))
    if kind == "array":
        return f"list of {_one_kind(part.get('items', {}))}"
    bounds = [
        f"{word} {part[key]}"
        for key, word in (
            ("minimum", "from"),
            ("exclusiveMinimum", "over"),
            ("maximum", "to"),
            ("maxLength", "at most"),
        )
        if key in part
    ]
    unit = " characters" if "maxLength" in part else ""
    return f"{kind} {' '.join(bounds)}{unit}".strip() if bounds else kind
