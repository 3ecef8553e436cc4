"""What was bought: durable records, and the states that a job goes through."""

from .fingerprint import canonical_json, digest_of, fingerprint
from .ledger import Ledger
from .records import (
    DaySpend,
    EventRecord,
    ItemRecord,
    ItemState,
    JobRecord,
    KeptFile,
    Lease,
    NewItem,
    NewJob,
    Outcome,
    Spend,
    SubmissionRecord,
    UploadRecord,
)
from .states import AT_VENDOR, DEAD, ENDED, TRANSITIONS, State, can_move, check_move
from .store import STALE_FENCE, utc_milliseconds

__all__ = [
    "AT_VENDOR",
    "DEAD",
    "ENDED",
    "STALE_FENCE",
    "TRANSITIONS",
    "DaySpend",
    "EventRecord",
    "ItemRecord",
    "ItemState",
    "JobRecord",
    "KeptFile",
    "Lease",
    "Ledger",
    "NewItem",
    "NewJob",
    "Outcome",
    "Spend",
    "State",
    "SubmissionRecord",
    "UploadRecord",
    "can_move",
    "canonical_json",
    "check_move",
    "digest_of",
    "fingerprint",
    "utc_milliseconds",
]
