"""Request bodies as pydantic models, and pydantic's complaints as ``Problem``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from .base import Problem

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_UUID_V4 = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE
)
_LONGEST_SHOWN = 1_000
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class LenientBody(BaseModel):
    """fal ignores fields that it does not know; a wrong type is never bent into the right one."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class StrictBody(BaseModel):
    """AI/ML API and Runware refuse fields that they do not know; no field of theirs is null."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _not_null(cls, value: Any) -> Any:
        if value is None:
            raise wrong("Input should not be null; leave the field out", type_="null")
        return value


BodyT = TypeVar("BodyT", bound=BaseModel)


def parse(kind: type[BodyT], body: Mapping[str, Any]) -> tuple[BodyT | None, list[Problem]]:
    """The body as ``kind``, or ``None`` and what is wrong with it.

    A problem of the whole body does not repeat the body, which may hold megabytes of media.
    """
    try:
        return kind.model_validate(body), []
    except ValidationError as error:
        return None, [
            Problem(
                loc=tuple(entry["loc"]),
                message=entry["msg"],
                type=entry["type"],
                input=shown(entry.get("input")) if entry["loc"] else None,
            )
            for entry in error.errors(include_url=False, include_context=False)
        ]


def shown(sent: Any) -> Any:
    """What was sent, as a problem repeats it: a data URI is cut down to its beginning."""
    if isinstance(sent, str) and len(sent) > _LONGEST_SHOWN:
        return f"{sent[:_LONGEST_SHOWN]}... ({len(sent)} characters)"
    return sent


def parsed(kind: type[BodyT], body: Mapping[str, Any]) -> BodyT:
    """The body as ``kind``, after a check that found no problem."""
    return kind.model_validate(body)


def wrong(message: str, *, type_: str = "value_error") -> PydanticCustomError:
    """An error for a validator to raise; ``message`` is shown as it is."""
    return PydanticCustomError(type_, "{message}", {"message": message})


def media_url(value: str, *, schemes: Sequence[str]) -> str:
    """A URL by which media can be fetched; ``http`` passes for loopback whatever ``schemes`` says.

    Loopback is where this sandbox's own files are, which stand for the vendor's https ones.
    """
    try:
        parts = urlsplit(value)
        host = parts.hostname
    except ValueError:
        raise wrong("Input should be a valid URL", type_="url_parsing") from None
    if parts.scheme == "data" and "data" in schemes:
        if "," not in value[:1000]:
            raise wrong("Input should be a valid data URI: no data follows", type_="url_parsing")
        return value
    if parts.scheme in ("http", "https") and host and not any(c.isspace() for c in value):
        if parts.scheme in schemes or host in _LOOPBACK:
            return value
    elif not parts.scheme:
        raise wrong("Input should be a valid URL, relative URL without a base", type_="url_parsing")
    names = ", ".join(schemes)
    raise wrong(f"Input should be a valid URL with one of the schemes {names}", type_="url_scheme")


def is_uuid(value: str) -> bool:
    return _UUID.fullmatch(value) is not None


def is_uuid_v4(value: str) -> bool:
    return _UUID_V4.fullmatch(value) is not None
