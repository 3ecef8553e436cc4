"""Where settings come from: a JSON file and environment variables, and what is wrong with them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from .errors import InputError
from .secret import redact

ENVIRONMENT_PREFIX = "VISEME_"
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable that sets one value."""

    name: str
    text: str
    value: Any


def read_file(path: Path) -> dict[str, Any]:
    """The file's JSON object; empty where there is no file. Raises ``InputError``."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}.",
            field="settings.json",
            value=path,
            remedy="Make it readable, or move it away to use the defaults.",
        ) from error
    try:
        document = json.loads(
            text, object_pairs_hook=_without_repeats, parse_constant=_refuse_constant
        )
    except ValueError as error:
        raise InputError(
            f"{path} is not JSON: {error}.",
            field="settings.json",
            value=path,
            remedy="Correct it, or move it away to use the defaults.",
        ) from error
    if not isinstance(document, dict):
        raise InputError(
            f"{path} must hold one JSON object, such as {{}}.",
            field="settings.json",
            value=path,
            limit="a JSON object",
            remedy="Correct it, or move it away to use the defaults.",
        )
    return document


def read_environment(
    environment: Mapping[str, str],
    names: Mapping[str, str],
    defaults: Mapping[str, Any],
    others: Collection[str],
) -> dict[str, Variable]:
    """The settings that variables give, by setting.

    ``names`` gives each setting's variable and ``defaults`` its default, by whose type the text is
    read. ``others`` are variables that somebody else reads. A variable that only looks like one of
    these is an error, since a cap with a slip in its name would be no cap.
    """
    found = {}
    for setting, name in names.items():
        text = environment.get(name, "").strip()
        if text:
            found[setting] = Variable(name, text, _read_text(text, defaults[setting]))
    known = {*names.values(), *others}
    for name in environment:
        if name.startswith(ENVIRONMENT_PREFIX) and name not in known:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
            if close:
                raise InputError(
                    f"The environment variable {name} sets nothing.",
                    field=name,
                    remedy=f"Did you mean {close[0]}?",
                )
    return found


def validate(
    model: type[BaseModel], path: Path, given: dict[str, Any], variables: Mapping[str, Variable]
) -> Any:
    """``model`` with the file's values and the stronger ones of the environment."""
    values = given | {setting: variable.value for setting, variable in variables.items()}
    try:
        return model.model_validate_json(json.dumps(values))
    except ValidationError as error:
        errors = error.errors(include_url=False)
        # A slip in a name first: what else is wrong may follow from it.
        errors.sort(key=lambda one: one["type"] != "extra_forbidden")
        raise _explain(model, errors[0], path, variables) from None


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values; an empty mapping has its own name, so that it can be shown."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"{repeated[0]!r} stands there more than once")
    return dict(pairs)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _read_text(text: str, default: Any) -> Any:
    """A text as the JSON value that it stands for; as it is where it stands for none."""
    if isinstance(default, bool):
        lowered = text.lower()
        return True if lowered in _TRUE else False if lowered in _FALSE else text
    if isinstance(default, (int, float)):
        try:
            return json.loads(text, parse_constant=_refuse_constant)
        except ValueError:
            return text
    return text


def _explain(
    model: type[BaseModel], error: ErrorDetails, path: Path, variables: Mapping[str, Variable]
) -> InputError:
    location = [str(part) for part in error["loc"]]
    is_wrong_key = error["type"] == "extra_forbidden" or location[-1] == "[key]"
    if location[-1] == "[key]":
        location.pop()
    name = ".".join(location)
    variable = variables.get(location[0]) if location else None
    where = f"The environment variable {variable.name}" if variable else f"{path}: {name}"
    if is_wrong_key:
        allowed = _names_beside(model, location)
        close = difflib.get_close_matches(location[-1], allowed, n=1, cutoff=0.6)
        return InputError(
            f"{path}: {name} is no setting.",
            field=name,
            value=location[-1],
            limit=", ".join(allowed),
            remedy=f"Did you mean {close[0]}?" if close else f"Known are: {', '.join(allowed)}.",
        )
    value = redact(variable.text if variable else json.dumps(error["input"], default=str))
    rule = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return InputError(
        f"{where} is {value}; it must be {rule.removeprefix('must be ')}.",
        field=variable.name if variable else name,
        value=value,
        limit=rule.removeprefix("must be "),
        remedy=None if variable else "Correct the file, or leave the key out for the default.",
    )


def _names_beside(model: type[BaseModel], location: list[str]) -> list[str]:
    """The names that would have been right at this place."""
    current: Any = model
    for part in location[:-1]:
        current = current.model_fields[part].annotation
        if not (isinstance(current, type) and issubclass(current, BaseModel)):
            keys = get_args(get_args(current)[0])  # Mapping[Literal[...], ...]
            return sorted(str(key) for key in keys)
    return sorted(current.model_fields)
