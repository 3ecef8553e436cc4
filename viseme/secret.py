"""A key that never prints, and texts that keys are taken out of."""

from __future__ import annotations

import base64
import hmac
import logging
import re
from collections.abc import Iterable
from typing import Any, NoReturn


class Secret:
    """A key that never prints. ``reveal()`` is the only way to its text.

    ``repr``, ``str`` and ``format`` show stars, a copy is the same object, and it can neither be
    pickled nor written as JSON.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __format__(self, _specification: str) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> Secret:
        return self

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")


_STARS = "***"
_DATA_URI = re.compile(
    r"data:([\w.+-]+/[\w.+-]+)?(;[\w.+-]+=[^;,\s\"']*)*;base64,[A-Za-z0-9+/=_%-]+", re.I
)
_URL = re.compile(r"""(?P<scheme>[a-z][a-z0-9+.-]*://)(?P<rest>[^\s"'<>\\`]+)""", re.I)
# Parameters of the vendors' own paths that help to find a fault. All others may be a signature.
_HARMLESS_PARAMETERS = frozenset(
    {"generation_id", "logs", "storage_type", "endpoint_id", "start", "end", "expand", "limit"}
    | {"cursor", "part_number", "part", "uploads", _STARS}
)
_AUTHORIZATION = re.compile(r"""\b(Key|Bearer|Basic)\s+(?!\*\*\*)[A-Za-z0-9._~+/:=-]{16,}""")
# Shorter ones would tear holes into ordinary words, such as a sandbox's; no vendor has such keys.
_SHORTEST_SECRET = 8
_SHORTEST_PART = 12


def redact(text: str, secrets: Iterable[Secret] = ()) -> str:
    """The text without what must not be seen in a log, an error or a receipt.

    Taken out are: the secrets as they are, URL-encoded, as JSON text and in base64 (wherever in a
    longer text they were encoded); what follows Key, Bearer or Basic; the data of data URIs; users
    and passwords in URLs, and their queries unless every parameter is known to be harmless.
    """
    for pattern in _patterns_of(secrets):
        text = pattern.sub(_STARS, text)
    text = _DATA_URI.sub(_shortened_data_uri, text)
    text = _URL.sub(lambda match: _public_url(match["scheme"], match["rest"]), text)
    return _AUTHORIZATION.sub(lambda match: f"{match[1]} {_STARS}", text)


class RedactingFilter(logging.Filter):
    """For a logging handler: what it writes has passed ``redact``, tracebacks too.

    On a handler it sees everything; on a logger only what was logged to that very logger.
    """

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        super().__init__()
        self._secrets = tuple(secrets)
        self._formatter = logging.Formatter()

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = redact(record.getMessage(), self._secrets)
        record.args = None
        if record.exc_info:
            record.exc_text = redact(
                self._formatter.formatException(record.exc_info), self._secrets
            )
            record.exc_info = None
        elif record.exc_text:
            record.exc_text = redact(record.exc_text, self._secrets)
        if record.stack_info:
            record.stack_info = redact(record.stack_info, self._secrets)
        return True


def _patterns_of(secrets: Iterable[Secret]) -> list[re.Pattern[str]]:
    """What finds every form of every secret, the longest first: one may be part of another."""
    parts: set[str] = set()
    for secret in secrets:
        raw = secret.reveal()
        if len(raw) >= _SHORTEST_SECRET:
            parts |= {raw, *(part for part in raw.split(":") if len(part) >= _SHORTEST_PART)}
    longest_first = sorted(parts, key=len, reverse=True)
    return [re.compile(pattern) for part in longest_first for pattern in _patterns(part)]


def _patterns(part: str) -> list[str]:
    base64_forms = sorted(_base64_forms(part.encode()), key=len, reverse=True)
    return ["".join(map(_character_pattern, part)), "|".join(map(re.escape, base64_forms))]


def _character_pattern(character: str) -> str:
    """A character as it is, or escaped as in a URL or in JSON, with small or large digits."""
    code = "".join(f"[{digit}{digit.upper()}]" for digit in f"{ord(character):02x}")
    return rf"(?:\\?{re.escape(character)}|%{code}|\\u00{code})"


def _base64_forms(raw: bytes) -> set[str]:
    """The base64 digits that depend on ``raw`` alone, for its three positions in a longer text."""
    forms = set()
    for offset in range(3):
        whole = base64.b64encode(b"\0" * offset + raw).decode()
        first = -(-offset * 8 // 6)
        last = (offset + len(raw)) * 8 // 6
        digits = whole[first:last]
        forms |= {digits, digits.replace("+", "-").replace("/", "_")}
    return forms


def _shortened_data_uri(match: re.Match[str]) -> str:
    head, _, data = match[0].partition(",")
    return f"{head},[{len(data)} characters left out]"


def _public_url(scheme: str, rest: str) -> str:
    before, _, _fragment = rest.partition("#")
    address, mark, query = before.partition("?")
    authority, slash, path = address.partition("/")
    host = authority.rpartition("@")[2]
    shown = f"{scheme}{host}{slash}{path}"
    if not mark:
        return shown
    names = {parameter.partition("=")[0] for parameter in query.split("&")}
    return f"{shown}?{query}" if names <= _HARMLESS_PARAMETERS else f"{shown}?{_STARS}"
