"""How a vendor is spoken to: what every service offers, and what it answers with."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar

from ..answer import Answer
from ..bodies import Body, JsonBody
from ..errors import CredentialError, RateLimited, UnreadableAnswer, VisemeError
from ..model import Carried, InlineMedia, Vendor, WireRequest
from ..retry import (
    RETRIED_STATUSES,
    RetryBudgets,
    RetryPolicy,
    next_wait,
    retry_after_seconds,
)
from ..secret import Secret
from ..settings import Settings
from ..transport import AnswerLost, NotSent, Transport
from .changes import Changes

RETRIES = RetryPolicy()
BUDGETS = RetryBudgets()  # of this process
_SHORTEST_KEY = 8  # a shorter one, such as a sandbox's, is an ordinary word


class Phase(Enum):
    """Where a job is, as the vendor tells it."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    MISSING = "missing"  # the vendor knows no such job
    WITHHELD = "withheld"  # it has ended, as far as is told well; its result cannot be had

    @property
    def is_end(self) -> bool:
        return self in (Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED)


@dataclass(frozen=True, slots=True)
class Report:
    """What the vendor says of a job now. ``answer`` is its whole final answer once succeeded.

    ``is_partial``: it runs, some results are in ``answer`` and some failed, and nothing is said of
    the others. They may still come, or never; how long to wait is for who asks to decide.
    """

    phase: Phase
    queue_position: int | None = None
    log_lines: tuple[str, ...] = ()
    answer: Mapping[str, Any] | None = None
    problem: VisemeError | None = None
    is_partial: bool = False


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The vendor took the job. ``vendor_ids`` is all that is needed to ask for it later."""

    vendor_ids: Mapping[str, str]
    queue_position: int | None = None


class CancelAnswer(Enum):
    """What the vendor said when asked to cancel."""

    CANCELLED = "cancelled"  # it will not run
    REQUESTED = "requested"  # it may still run to its end, and be billed
    TOO_LATE = "too late"  # it has ended
    NOT_FOUND = "not found"
    UNSUPPORTED = "unsupported"  # this vendor cannot cancel


@dataclass(frozen=True, slots=True)
class Submission:
    """A paid request, ready to be sent once. ``token`` is ours, known to the vendor or not."""

    base: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: JsonBody
    token: str


@dataclass(frozen=True, slots=True)
class OutgoingFile:
    """A medium to be uploaded. ``name`` is what the vendor sees; it tells nothing of the user.

    ``digest`` is BLAKE3 of the bytes that are to be sent, where it is known.
    """

    path: Path
    media_type: str
    size_bytes: int
    name: str
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """A medium at the vendor, by the string that stands for it in a request body."""

    reference: str
    expires_at: datetime | None = None
    can_be_deleted: bool = False


@dataclass(frozen=True, slots=True)
class Trace:
    """What is known of a submission whose answer was lost, to find it by.

    ``media_digests`` are BLAKE3 digests of the media strings in the body. The submission was sent
    between ``sent_from`` and ``sent_until`` (UTC). ``known_ids`` are the vendor's ids of other
    jobs: another take has the same media. ``arguments`` is what ``body_arguments`` leaves of the
    body; empty where it was not kept, and then it tells no two jobs apart.
    """

    token: str
    vendor_model: str
    media_digests: frozenset[str]
    sent_from: datetime
    sent_until: datetime
    known_ids: frozenset[str] = frozenset()
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look-up found: every job that fits the trace, and whether absence proves anything."""

    matches: tuple[Acceptance, ...]
    absence_is_proof: bool = False


def body_arguments(body: Mapping[str, Any], media: Collection[Carried]) -> dict[str, Any]:
    """What of a request body is no medium, as plain JSON: it can be kept, and compared later.

    ``media`` are the media as they were carried; these strings are left out, and so is a list that
    has one in it. Pure.
    """
    return {
        name: body_arguments(value, media) if isinstance(value, Mapping) else value
        for name, value in body.items()
        if isinstance(value, Mapping) or not _holds_media(value, media)
    }


def _holds_media(value: object, media: Collection[Carried]) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_media(inner, media) for inner in value.values())
    if isinstance(value, list | tuple):
        return any(_holds_media(inner, media) for inner in value)
    return isinstance(value, InlineMedia) or (isinstance(value, str) and value in media)


class Service(ABC):
    """One vendor's wire protocol. Every method may raise TransportError and CredentialError."""

    vendor: ClassVar[Vendor]
    base: ClassVar[str]  # the named base URL that jobs are submitted to
    deduplicates: ClassVar[bool] = False  # sending the same token again buys nothing new
    can_cancel: ClassVar[bool] = False
    least_poll_seconds: ClassVar[float] = 0.1  # between two polls, whatever settings say
    can_delete_uploads: ClassVar[bool] = False
    cancelled_codes: ClassVar[frozenset[str]] = frozenset()  # of jobs that ended by cancelling
    result_hosts: ClassVar[tuple[str, ...]] = ()  # names, or suffixes that begin with a dot
    retries: RetryPolicy = RETRIES  # of the calls that cost nothing
    budgets: RetryBudgets = BUDGETS  # of the retries of polls

    def __init__(self, transport: Transport, secret: Secret, settings: Settings) -> None:
        """Raises CredentialError for a key that cannot stand in a header."""
        key = secret.reveal()
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise CredentialError(
                f"The key for {self.vendor.label} is empty, or has a character that no key has.",
                field="key",
                remedy=f"Set it anew with `viseme login {self.vendor.value}`, or correct the "
                "environment variable it comes from.",
            )
        self._transport = transport
        self._secret = secret
        self._settings = settings

    @abstractmethod
    def authorization(self) -> str:
        """The ``Authorization`` header."""

    @abstractmethod
    def error_of(self, answer: Answer) -> VisemeError:
        """The typed error that an answer which is no success stands for. Pure."""

    @abstractmethod
    def submission(self, request: WireRequest, token: str) -> Submission:
        """What will be sent for ``request``. Pure."""

    @abstractmethod
    async def submit(self, submission: Submission) -> Acceptance:
        """Send it once.

        Raises NotSent where it provably did not arrive, AnswerLost where nobody knows, and any
        other error of errors.py where the vendor refused it.
        """

    @abstractmethod
    async def report(self, vendor_ids: Mapping[str, str], *, logs: bool, items: int) -> Report:
        """Where the job is now; with its whole answer once it succeeded."""

    def changes(self, vendor_ids: Mapping[str, str], *, logs: bool) -> Changes:
        """What the vendor says of the job unasked. To be closed; needs the running event loop."""
        return Changes()

    @abstractmethod
    async def look_up(self, trace: Trace) -> Finding:
        """Search for a submission whose answer was lost."""

    async def cancel(self, vendor_ids: Mapping[str, str]) -> CancelAnswer:
        """Ask the vendor to stop the job."""
        return CancelAnswer.UNSUPPORTED

    async def upload(
        self, file: OutgoingFile, on_bytes_sent: Callable[[int], None] | None = None
    ) -> Upload:
        """Bring a file to the vendor. Raises RequestRejected where the vendor has no uploads."""
        raise NotImplementedError

    async def delete_upload(self, reference: str) -> None:
        """Delete an uploaded file at the vendor, where that exists."""

    async def call(
        self,
        method: str,
        path: str,
        *,
        base: str | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        with_key: bool = True,
        timeout_seconds: float = 60.0,
        on_bytes_sent: Callable[[int], None] | None = None,
        is_poll: bool = False,
    ) -> Answer:
        """A call that costs nothing: retried on lost connections, 408, 429 and 5xx.

        Returns the last answer, whatever its status.

        Retries of polls are also within the base URL's ``RetryBudget``: whoever polls asks again
        anyway, and in an outage three times as many questions help nobody. Other calls are made
        once for a step of a job, so their three tries are a bound already. Look-ups of a job in
        doubt and cancellings must get through the more, for money hangs on them; and an upload
        that was given up early would end its job.
        """
        budget = self.budgets.of(self._transport.addresses.url(base or self.base, ""))
        for attempt in range(1, self.retries.attempts + 1):
            try:
                answer = await self._transport.exchange(
                    method,
                    base or self.base,
                    path,
                    query=query,
                    headers=headers,
                    authorization=self.authorization if with_key else None,
                    body=body,
                    timeout_seconds=timeout_seconds,
                    on_bytes_sent=on_bytes_sent,
                )
            except (NotSent, AnswerLost):
                wait = next_wait(self.retries, attempt, status=None)
                if wait is None or (is_poll and not budget.take()):
                    raise
                await self._transport.addresses.refresh()
            else:
                wait = next_wait(
                    self.retries, attempt, status=answer.status, headers=answer.headers
                )
                if answer.status not in RETRIED_STATUSES:
                    budget.succeeded()
                if wait is None or (is_poll and not budget.take()):
                    return self._without_key(answer)
            await asyncio.sleep(wait)
        raise UnreadableAnswer("No answer was had.")  # not reached: the last try has no wait

    async def send_once(
        self, submission: Submission, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """The one exchange of a paid submission. Raises RateLimited for a 429, which every vendor
        gives without accepting anything."""
        answer = await self._transport.exchange(
            "POST",
            submission.base,
            submission.path,
            query=submission.query,
            headers={
                "Content-Type": "application/json",
                **submission.headers,
                **(headers or {}),
            },
            authorization=self.authorization,
            body=submission.body,
            timeout_seconds=self._settings.submit_timeout_seconds,
            on_new_connection=True,
        )
        answer = self._without_key(answer)
        if answer.status == 429:
            problem = self.error_of(answer)
            if isinstance(problem, RateLimited):
                problem.retry_after_seconds = retry_after_seconds(answer.headers)
            raise problem
        return answer

    def _without_key(self, answer: Answer) -> Answer:
        """An answer may repeat the key, and its texts may be shown."""
        key = self._secret.reveal()
        for part in (key, *key.split(":")):
            if len(part) >= _SHORTEST_KEY:
                answer = answer.without(part)
        return answer
