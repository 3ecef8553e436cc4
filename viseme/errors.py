"""Every error that Viseme raises on purpose.

    VisemeError
    ├── InputError             what the user gave cannot be used
    │   └── MediaError           a media file cannot be used
    │       ├── MediaDamaged       it is broken, or not what it claims to be
    │       └── MediaTooLarge      it is over a limit of the endpoint or of this machine
    ├── CredentialError        a key is missing, or the vendor does not know it
    ├── BudgetExceeded         the quote is over a cap
    ├── VendorError            the vendor refused, or failed
    │   ├── RateLimited
    │   ├── OutOfCredit
    │   ├── ContentRejected
    │   ├── RequestRejected      the vendor does not accept the request as it is
    │   ├── JobFailed            accepted, and ended without a result
    │   ├── TransportError       the vendor could not be reached, or did not answer
    │   ├── UnreadableAnswer     it answered with something its documents do not know
    │   └── FetchRefused         a result cannot be fetched safely or whole
    ├── OutcomeUnknown         it may or may not have been bought
    ├── LocalError             this machine failed: disk, codec
    │   └── LedgerError          the record of purchases cannot be read or written
    ├── TransitionError        a job was moved in a way the table of states forbids
    └── Interrupted            the user stopped it

An error says which field, which value, what the limit is and what to do. Every error that
follows a submission carries our job id, and the vendor's once it is known.
"""

from __future__ import annotations

from typing import ClassVar


class VisemeError(Exception):
    """Base of all. ``str(error)`` is one line: the message, then the remedy.

    ``field`` is the name of what is wrong as the user knows it (``--video``, ``sync_mode``),
    ``value`` what was given, ``limit`` what is allowed; all three as short text.
    ``code`` and ``http_status`` are the vendor's own words, where there are any.
    """

    kind: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        value: object = None,
        limit: object = None,
        remedy: str | None = None,
        job_id: str | None = None,
        vendor_id: str | None = None,
        code: str | None = None,
        http_status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.value = None if value is None else str(value)
        self.limit = None if limit is None else str(limit)
        self.remedy = remedy
        self.job_id = job_id
        self.vendor_id = vendor_id
        self.code = code
        self.http_status = http_status

    def __str__(self) -> str:
        parts = [self.message] if self.remedy is None else [self.message, self.remedy]
        if self.job_id is not None and self.job_id not in "".join(parts):
            parts.append(f"(job {self.job_id})")
        return " ".join(" ".join(part.split()) for part in parts)


class InputError(VisemeError):
    kind = "input"
    exit_code = 2


class MediaError(InputError):
    kind = "media"


class MediaDamaged(MediaError):
    kind = "media_damaged"


class MediaTooLarge(MediaError):
    kind = "media_too_large"


class CredentialError(VisemeError):
    kind = "credentials"
    exit_code = 3


class VendorError(VisemeError):
    kind = "vendor"
    exit_code = 4


class RateLimited(VendorError):
    """``retry_after_seconds`` is what the vendor asked for, where it did."""

    kind = "rate_limited"
    retry_after_seconds: float | None = None


class OutOfCredit(VendorError):
    kind = "out_of_credit"


class ContentRejected(VendorError):
    kind = "content_rejected"


class RequestRejected(VendorError):
    kind = "request_rejected"


class JobFailed(VendorError):
    kind = "job_failed"


class TransportError(VendorError):
    kind = "transport"


class UnreadableAnswer(VendorError):
    kind = "unreadable_answer"


class FetchRefused(VendorError):
    kind = "fetch_refused"


class OutcomeUnknown(VisemeError):
    kind = "outcome_unknown"
    exit_code = 5


class BudgetExceeded(VisemeError):
    kind = "over_budget"
    exit_code = 6


class LocalError(VisemeError):
    kind = "local"
    exit_code = 1


class LedgerError(LocalError):
    kind = "ledger"


class TransitionError(VisemeError):
    kind = "transition"
    exit_code = 1


class Interrupted(VisemeError):
    kind = "interrupted"
    exit_code = 130
