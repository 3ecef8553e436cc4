"""What makes two purchases the same one. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any

from blake3 import blake3

from ..errors import InputError
from ..model import Clip, Footage, Recording, RemoteMedia, Speech, SpokenText


def fingerprint(
    *,
    destination: str,
    account: str,
    endpoint: str,
    arguments: Mapping[str, Any],
    footage: Footage,
    speech: Speech,
    take: int = 1,
) -> str:
    """64 hex digits: BLAKE3 over everything that makes a result what it is.

    ``destination`` is ``live`` or a sandbox_id, ``account`` the keyed hash of the key.
    ``arguments`` are those that change the picture (``Endpoint.picture_arguments``). Media count
    by the digest of their source, whatever their path; remote ones by the reference as given.
    ``take`` is 1 or more. Raises ``InputError`` for a take below 1 and for an argument that has no
    exact text.
    """
    if take < 1:
        raise InputError(
            f"take is {take}; takes count from 1.", field="--take", value=take, limit=1
        )
    return digest_of(
        {
            "destination": destination,
            "account": account,
            "endpoint": endpoint,
            "arguments": arguments,
            "video": _medium(footage),
            "speech": _medium(speech),
            "take": take,
        }
    )


def digest_of(document: Any) -> str:
    """64 hex digits: BLAKE3 over the canonical JSON of ``document``."""
    return blake3(canonical_json(document)).hexdigest()


def canonical_json(document: Any) -> bytes:
    """UTF-8 JSON with sorted keys and no white space; equal values give equal bytes.

    Decimals and fractions become text without needless digits (``"1.5"``, ``"30000/1001"``),
    tuples lists, enums their values.
    """
    return json.dumps(
        _canonical(document),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    ).encode("utf-8", "surrogatepass")


def _medium(medium: Footage | Speech) -> Mapping[str, Any]:
    if isinstance(medium, (Clip, Recording)):
        return {"digest": medium.digest}
    if isinstance(medium, RemoteMedia):
        return {"reference": medium.reference}
    return _spoken(medium)


def _spoken(spoken: SpokenText) -> Mapping[str, Any]:
    return {"text": spoken.text, "voice": spoken.voice}


def _canonical(value: Any) -> Any:
    if isinstance(value, Enum):
        return _canonical(value.value)
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return int(value) if value.is_integer() else value
    if isinstance(value, Decimal) and value.is_finite():
        return format(value.normalize() + 0, "f")
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _canonical(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_canonical(inner) for inner in value]
    if isinstance(value, (set, frozenset)):
        return sorted((_canonical(inner) for inner in value), key=repr)
    raise InputError(
        f"{value!r} has no exact text to tell purchases apart by.",
        value=value,
        limit="text, finite numbers, lists and mappings of these",
    )
