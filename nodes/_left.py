"""Lip-syncs that an earlier program left unfinished: told to the page, and in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _host

if TYPE_CHECKING:
    from ..viseme.ledger import JobRecord, Ledger


def jobs_left() -> tuple[JobRecord, ...]:
    """Those of this ComfyUI's ledger, newest first; none where there is no ledger yet. Blocking.

    Raises InputError, LocalError and LedgerError.
    """
    if not _host.home().ledger.exists():
        return ()
    return left_in(_host.workplace().ledger)


def is_sandboxed(job: JobRecord) -> bool:
    """Whether it was ordered in a sandbox, where nothing is paid."""
    from ..viseme.jobs.destination import LIVE

    return job.destination != LIVE


def left_in(ledger: Ledger) -> tuple[JobRecord, ...]:
    """Those that may cost something or have a result, and that no living process works on."""
    from ..viseme.jobs.doubt import is_in_doubt
    from ..viseme.jobs.workplace import owner_is_gone
    from ..viseme.ledger import AT_VENDOR, State, utc_milliseconds

    now = utc_milliseconds()
    open_states = (State.INTENT, State.SENT, State.UNKNOWN, State.SUCCEEDED, *AT_VENDOR)
    return tuple(
        job
        for job in ledger.list(states=open_states)
        if job.state is not State.INTENT or is_in_doubt(job, ledger)
        if not job.is_leased(now) or owner_is_gone(str(job.lease_owner))
    )
