"""Arguments as they are given, and errors about them in the user's words."""

from __future__ import annotations

import difflib
import ipaddress
import json
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from ..errors import InputError
from .base import Arguments, Order

ArgumentsT = TypeVar("ArgumentsT", bound=Arguments)
_building = Lock()  # older pydantic does not bear two threads that build the same model


class Refusal(ValueError):
    """Why a validator refuses a value: what is allowed, and what to do."""

    def __init__(self, limit: str, remedy: str) -> None:
        super().__init__(limit)
        self.limit = limit
        self.remedy = remedy


# ---------------------------------------------------------------------------------- field types


def _no_truth(value: Any) -> Any:
    if isinstance(value, bool):
        raise Refusal("whole numbers", "Give a number, not true or false.")
    return value


NO_TRUTH = BeforeValidator(_no_truth)
Integer = Annotated[int, NO_TRUTH]


def option(*options: str) -> BeforeValidator:
    """Finds an option whatever its case; what is no option is left for the type to refuse."""
    by_case = {entry.casefold(): entry for entry in options}

    def find(value: Any) -> Any:
        return by_case.get(value.casefold(), value) if isinstance(value, str) else value

    return BeforeValidator(find)


def _json_text(value: Any) -> Any:
    """JSON written on a command line, for a field that is an object or a list."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _integers(value: Any) -> Any:
    value = _json_text(value)
    if isinstance(value, str) and re.fullmatch(r"[-0-9, ]+", value):
        return [part.strip() for part in value.split(",")]
    return value


def _one_or_more(value: Any) -> Any:
    value = _json_text(value)
    return [value] if isinstance(value, str) else value


FROM_TEXT = BeforeValidator(_json_text)
IntegerList = Annotated[list[Integer], BeforeValidator(_integers)]


def check_https(value: str) -> str:
    """An https URL that a vendor can reach. Raises ``Refusal``."""
    limit = "an https URL that the vendor can reach"
    try:
        parts = urlsplit(value)
        host = parts.hostname
    except ValueError:
        host = None
    if host is None or parts.scheme != "https" or not re.fullmatch(r"[!-~]+", value):
        raise Refusal(limit, "Give a whole URL, starting with https://.")
    try:
        is_public = ipaddress.ip_address(host).is_global
    except ValueError:
        is_public = host != "localhost" and not host.endswith((".localhost", ".local"))
    if not is_public:
        raise Refusal(limit, "Give the file itself: the vendor cannot reach this network.")
    return value


def check_https_or_uuid(value: str) -> str:
    """An https URL, or a UUID of media kept at the vendor. Raises ``Refusal``."""
    if re.fullmatch(r"[0-9A-Fa-f-]{32,36}", value):
        try:
            return str(uuid.UUID(value))
        except ValueError:
            pass
    try:
        return check_https(value)
    except Refusal as refusal:
        raise Refusal(f"{refusal.limit}, or a UUID", refusal.remedy) from refusal


def _check_callback(value: str) -> str:
    try:
        parts = urlsplit(value)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_url = False
    if not is_url or not re.fullmatch(r"[!-~]+", value):
        raise Refusal("an http or https URL", "Give a whole URL, starting with https://.")
    return value


_URI = Field(json_schema_extra={"format": "uri"})
MediaUrl = Annotated[str, AfterValidator(check_https), _URI]
MediaReference = Annotated[str, AfterValidator(check_https_or_uuid)]
MediaReferences = Annotated[list[MediaReference], BeforeValidator(_one_or_more)]
CallbackUrl = Annotated[str, AfterValidator(_check_callback), _URI]


# ---------------------------------------------------------------------------------- reading


@dataclass(frozen=True, slots=True)
class Wording:
    """How whoever gives the arguments knows them, by the endpoint's own name of each.

    ``remedies`` says how one is left out, where no rule of its own says what to do.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    remedies: Mapping[str, str] = field(default_factory=dict)


_OWN_WORDS = Wording()


def read_arguments(
    endpoint_id: str,
    model: type[ArgumentsT],
    given: Mapping[str, Any],
    wording: Wording = _OWN_WORDS,
) -> ArgumentsT:
    """``given`` as a checked model; ``a.b`` may stand for ``b`` nested in ``a``.

    Raises one ``InputError`` for all that is wrong; its field, value and limit are the first's.
    """
    with _building:
        model.model_rebuild()  # nothing, where it is built
    try:
        return model.model_validate(_nested(given))
    except ValidationError as error:
        raise _translated(endpoint_id, model, error, wording) from error


def arguments_of(order: Order, model: type[ArgumentsT]) -> ArgumentsT:
    """An order's arguments as its endpoint's own model."""
    if not isinstance(order.arguments, model):
        raise TypeError(f"the order has {type(order.arguments).__name__}, not {model.__name__}")
    return order.arguments


def _nested(given: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in given.items():
        *path, last = str(name).split(".")
        place = nested
        for part in path:
            inner = place.get(part)
            place[part] = dict(inner) if isinstance(inner, Mapping) else {}
            place = place[part]
        inner = place.get(last)
        if isinstance(inner, dict) and isinstance(value, Mapping):
            value = {**inner, **value}
        place[last] = value
    return nested


def _translated(
    endpoint_id: str, model: type[Arguments], error: ValidationError, wording: Wording
) -> InputError:
    schema = model.model_json_schema()
    found: dict[str, InputError] = {}
    for detail in error.errors(include_url=False):
        path = _path(schema, detail["loc"])
        own_name = _dotted(path)
        if own_name in found:
            continue
        if detail["type"] == "extra_forbidden":
            found[own_name] = unknown_name(endpoint_id, own_name, _names(schema))
            continue
        # Of a list its one medium is what is given.
        name = wording.names.get(own_name.removesuffix("[0]"), own_name)
        cause = detail.get("ctx", {}).get("error")
        value = shown(detail["input"])
        limit = cause.limit if isinstance(cause, Refusal) else _limit(_part(schema, path), schema)
        remedy = cause.remedy if isinstance(cause, Refusal) else None
        if detail["type"] == "string_too_long":
            value, remedy = f"{len(detail['input'])} characters", "Shorten it or split the clip."
        found[own_name] = InputError(
            f"{name} is {value}; {endpoint_id} takes {limit}.",
            field=name,
            value=value,
            limit=limit,
            remedy=remedy or wording.remedies.get(own_name) or _left_out(_part(schema, path)),
        )
    errors = list(found.values())
    first = errors[0]
    if len(errors) > 1:
        others = " ".join(str(other) for other in errors[1:])
        first.remedy = f"{first.remedy} {others}"
    return first


def unknown_name(endpoint_id: str, name: str, known: Sequence[str]) -> InputError:
    """The error for an argument that does not exist, with those that are written alike."""
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    return InputError(
        f"{name} is no argument of {endpoint_id}.",
        field=name,
        value=name,
        limit=", ".join(known),
        remedy=f"Did you mean {' or '.join(close)}?" if close else f"It has {', '.join(known)}.",
    )


def shown(value: object) -> str:
    """A value as an error shows it: short, on one line, and no URL with its query."""
    text = " ".join(str(value).split())
    if text.startswith("data:"):
        text = text[:32]
    elif "://" in text:
        text = text.partition("?")[0]
    return text if 0 < len(text) <= 60 else repr(text[:60])


# ---------------------------------------------------------------------------------- JSON schema


def _resolved(part: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part itself, the definition it refers to, or what it is where it may also be null."""
    if "$ref" in part:
        return _resolved(schema["$defs"][part["$ref"].rpartition("/")[2]], schema)
    if "anyOf" in part:
        options = [entry for entry in part["anyOf"] if entry.get("type") != "null"]
        if len(options) == 1:
            return _resolved(options[0], schema)
    return part


def _step(part: Mapping[str, Any], key: str | int, schema: Mapping[str, Any]) -> Any:
    part = _resolved(part, schema)
    return part.get("items") if isinstance(key, int) else part.get("properties", {}).get(key)


def _path(schema: Mapping[str, Any], loc: Sequence[str | int]) -> list[str | int]:
    """A location without the tags that pydantic adds for unions; an unknown name ends it."""
    path: list[str | int] = []
    part: Mapping[str, Any] = schema
    for key in loc:
        inner = _step(part, key, schema)
        if inner is None:
            if "properties" in _resolved(part, schema):
                path.append(key)
            break
        path.append(key)
        part = inner
    return path


def _part(schema: Mapping[str, Any], path: Sequence[str | int]) -> Mapping[str, Any]:
    part: Mapping[str, Any] = schema
    for key in path:
        part = _step(part, key, schema) or {}
    return part


def _dotted(path: Sequence[str | int]) -> str:
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.removeprefix(".")


def _names(schema: Mapping[str, Any]) -> list[str]:
    names = []
    for name, part in schema["properties"].items():
        inner = _resolved(part, schema).get("properties", {})
        names += [f"{name}.{leaf}" for leaf in inner] or [name]
    return names


def _left_out(part: Mapping[str, Any]) -> str:
    default = part.get("default")
    is_shown = isinstance(default, (str, int, float))
    what = f"it is {json.dumps(default).strip(chr(34))} then" if is_shown else "it is optional"
    return f"Correct it or leave it out; {what}."


def _limit(part: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """What a field takes, in words, from its JSON schema."""
    part = _resolved(part, schema)
    if "anyOf" in part:
        options = [entry for entry in part["anyOf"] if entry.get("type") != "null"]
        return " or ".join(_limit(entry, schema) for entry in options)
    if "enum" in part:
        return "one of " + ", ".join(str(entry) for entry in part["enum"])
    if "const" in part:
        return str(part["const"])
    words: dict[str, Callable[[], str]] = {
        "integer": lambda: f"whole numbers{_bounds(part)}",
        "number": lambda: f"numbers{_bounds(part)}",
        "boolean": lambda: "true or false",
        "array": lambda: f"a list of {_limit(part.get('items', {}), schema)}",
        "object": lambda: "an object with " + ", ".join(part.get("properties", {})),
        "string": lambda: (
            f"at most {part['maxLength']} characters" if "maxLength" in part else "text"
        ),
    }
    return words.get(str(part.get("type")), lambda: "something else")()


def _bounds(part: Mapping[str, Any]) -> str:
    least, over, most = (part.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
    start = f" from {least}" if least is not None else f" over {over}" if over is not None else ""
    return start + (f" to {most}" if most is not None else "")
