"""What can be made to go wrong, and when.

A fault strikes calls whose operation and vendor match, ``count`` times or with a probability;
with neither, every time until a reset. Its ``seconds`` are real ones: a test that asks for three
seconds gets three, whatever the time scale.

Faults live in the process; what they did to an accepted job is kept with the job.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InputError

VENDORS = ("fal", "aimlapi", "runware")
OPERATIONS = (
    "submit",
    "status",
    "stream",
    "result",
    "cancel",
    "upload-token",
    "upload",
    "list",
    "download",
)
ANY = frozenset(OPERATIONS)
CALLS = ANY - {"download"}
SUBMIT = frozenset({"submit"})
DOWNLOAD = frozenset({"download"})


@dataclass(frozen=True)
class FaultKind:
    """``operations`` is what it strikes when the fault names none; ``allowed`` what it may name."""

    does: str
    operations: frozenset[str]
    allowed: frozenset[str] = ANY
    default_seconds: float = 0.0


KINDS: dict[str, FaultKind] = {
    "drop-before-accept": FaultKind(
        "reads the request, then closes the connection; nothing is done or booked", SUBMIT
    ),
    "drop-after-accept": FaultKind(
        "does and books all, then closes the connection without an answer", SUBMIT
    ),
    "stall": FaultKind("waits `seconds` before doing anything, then goes on", ANY, ANY, 10.0),
    "answer-late": FaultKind(
        "does and books all at once, and answers `seconds` later", ANY, ANY, 10.0
    ),
    "429": FaultKind("too many requests, Retry-After: `seconds`; nothing is done", ANY, ANY, 1.0),
    "503": FaultKind("unavailable (fal: the ingress's HTML page); nothing is done", ANY),
    "500": FaultKind("internal error in the vendor's shape; nothing is done", ANY),
    "truncate": FaultKind(
        "announces the whole length, sends half of it, then closes the connection", DOWNLOAD
    ),
    "lie-length": FaultKind("announces half the length and sends the whole", DOWNLOAD),
    "redirect": FaultKind(
        "redirects to the same path on another origin of the sandbox (302; API calls 307)",
        DOWNLOAD,
    ),
    "expire-url": FaultKind("404, as for a file whose time is over", DOWNLOAD, DOWNLOAD),
    "slow-queue": FaultKind("the job waits `seconds` in the queue", SUBMIT, SUBMIT, 60.0),
    "job-fails": FaultKind("accepted and booked; ends without a result, unbilled", SUBMIT, SUBMIT),
    "reject-content": FaultKind(
        "accepted and booked; ends refused by a content policy, unbilled", SUBMIT, SUBMIT
    ),
    "no-credit": FaultKind(
        "fal 403 (also for /storage/upload/initiate), AI/ML API 403, Runware 402",
        SUBMIT | {"upload-token"},
        SUBMIT | {"upload-token"},
    ),
    "bad-key": FaultKind("401, as for a key that the vendor does not know", CALLS, CALLS),
    "cancel-ignored": FaultKind(
        "202 CANCELLATION_REQUESTED, and the job runs on and is billed",
        frozenset({"cancel"}),
        frozenset({"cancel"}),
    ),
    "lookup-hidden": FaultKind(
        "listings do not show the job; Runware's getResponse and getTaskDetails do not know it",
        frozenset({"list", "status"}),
        frozenset({"list", "status"}),
    ),
    "lookup-late": FaultKind(
        "the same, for jobs accepted less than `seconds` ago",
        frozenset({"list", "status"}),
        frozenset({"list", "status"}),
        30.0,
    ),
    "partial-results": FaultKind(
        "of several results the last one fails and is not billed", SUBMIT, SUBMIT
    ),
    "endless-body": FaultKind("a body without length or end", DOWNLOAD),
    "html-200": FaultKind("status 200 and an HTML page (API calls: after doing all)", DOWNLOAD),
    "wrong-type": FaultKind("status 200 and a PNG image (API calls: after doing all)", DOWNLOAD),
}
# Which of them garble an answer instead of steering a call; transfers.py does it.
GARBLING = (
    "truncate",
    "lie-length",
    "expire-url",
    "endless-body",
    "html-200",
    "wrong-type",
)


@dataclass
class Fault:
    """One fault in force. ``count`` is how often it will still strike."""

    name: str
    count: int | None = None
    probability: float | None = None
    operation: str | None = None
    vendor: str | None = None
    seconds: float | None = None

    @property
    def lasting_seconds(self) -> float:
        return KINDS[self.name].default_seconds if self.seconds is None else self.seconds

    def matches(self, name: str, operation: str, vendor: str) -> bool:
        if self.name != name or self.vendor not in (None, vendor):
            return False
        if self.operation is not None:
            return self.operation == operation
        return operation in KINDS[name].operations

    def document(self) -> dict[str, Any]:
        """As ``POST /_sandbox/faults`` takes it, without what is not set."""
        return {key: value for key, value in vars(self).items() if value is not None}


class Faults:
    """The faults in force, in the order they were given.

    ``generation`` tells a call that came before the last ``clear`` from the others: one that was
    held up, and whose client may be long gone, takes none of the faults that came after it.
    """

    def __init__(self, texts: tuple[str, ...] = ()) -> None:
        self._active = [parse_fault(text) for text in texts]
        self.generation = 0

    def add(self, fault: Fault) -> None:
        self._active.append(fault)

    def clear(self) -> None:
        self._active.clear()
        self.generation += 1

    def documents(self) -> list[dict[str, Any]]:
        return [fault.document() for fault in self._active]

    def take(self, name: str, operation: str, vendor: str) -> Fault | None:
        """The first matching fault that strikes now, its count spent; ``None`` mostly."""
        for fault in self._active:
            if not fault.matches(name, operation, vendor):
                continue
            if fault.probability is not None:
                if random.random() < fault.probability:  # noqa: S311 - chance, not secrecy
                    return fault
                continue
            if fault.count is None:
                return fault
            fault.count -= 1
            if fault.count == 0:
                self._active.remove(fault)
            return fault
        return None


def parse_fault(text: str) -> Fault:
    """``NAME``, ``NAME:COUNT`` or ``NAME:0.1``; raises ``InputError``."""
    name, _, amount = text.partition(":")
    document: dict[str, Any] = {"name": name}
    if amount:
        try:
            document |= (
                {"count": int(amount)} if amount.isdigit() else {"probability": float(amount)}
            )
        except ValueError:
            raise InputError(
                f"--fault {text}: {amount!r} is neither a count nor a probability.",
                field="--fault",
                value=text,
                remedy="Write NAME, NAME:3 or NAME:0.1.",
            ) from None
    return read_fault(document, field="--fault")


def read_fault(document: Mapping[str, Any], *, field: str = "faults") -> Fault:
    """A fault from its JSON form; raises ``InputError`` naming what is wrong with it."""

    def refuse(key: str, limit: str) -> InputError:
        value = document.get(key)
        return InputError(
            f"{field}: {key} {value!r} is not possible; {limit}.",
            field=field,
            value=value,
            limit=limit,
        )

    unknown = set(document) - set(Fault.__dataclass_fields__)
    if unknown:
        raise refuse(min(unknown), f"known are {', '.join(Fault.__dataclass_fields__)}")
    name = document.get("name")
    if not isinstance(name, str) or name not in KINDS:
        raise refuse("name", f"known are {', '.join(KINDS)}")
    operation, vendor = document.get("operation"), document.get("vendor")
    allowed = sorted(KINDS[name].allowed)
    if operation is not None and operation not in allowed:
        raise refuse("operation", f"{name} can strike {', '.join(allowed)}")
    if vendor is not None and vendor not in VENDORS:
        raise refuse("vendor", f"known are {', '.join(VENDORS)}")
    count, probability = document.get("count"), document.get("probability")
    if count is not None and not (type(count) is int and count >= 1):
        raise refuse("count", "it is a whole number from 1")
    if probability is not None and not (_is_number(probability) and 0 <= probability <= 1):
        raise refuse("probability", "it is a number from 0 to 1")
    if count is not None and probability is not None:
        raise refuse("probability", "count and probability exclude each other")
    seconds = document.get("seconds")
    if seconds is not None and not (_is_number(seconds) and 0 <= seconds <= 86_400):
        raise refuse("seconds", "it is a number from 0 to 86400")
    return Fault(name, count, probability, operation, vendor, seconds)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
