"""A job and a key that is not the one it was bought with."""

from __future__ import annotations

from dataclasses import dataclass

from ..credentials import ENVIRONMENT_VARIABLES
from ..errors import CredentialError
from ..home import Home
from ..ledger import JobRecord, State
from ..model import Vendor
from .commands import job_command, key_remedy
from .receipt import shown_ids

# Where a vendor shows its customers what they bought.
VENDOR_PAGES = {
    Vendor.FAL: "fal.ai/dashboard",
    Vendor.AIMLAPI: "aimlapi.com/app",
    Vendor.RUNWARE: "my.runware.ai",
}


@dataclass
class OtherKey:
    """What is set now, where that is not the key which the job was bought with.

    It may be of the same account, as after a key was replaced: the vendor then shows it the job,
    and whatever is read with it holds. Of another account it sees nothing, which says nothing of
    the job. It never submits: what it buys is another purchase. ``problem`` is the error of whoever
    asks more of it; ``is_set`` is False where no key is set at all.
    """

    problem: CredentialError
    is_set: bool
    sees_the_job: bool = False


def another_key(job: JobRecord, home: Home) -> CredentialError:
    """The error for a key that is another one, with what is left to who has the first no more."""
    vendor, page = job.vendor.label, VENDOR_PAGES[job.vendor]
    than = f"with another key of {vendor}'s than the one that is set now"
    if job.state in (State.PLANNED, State.INTENT):
        message = f"The job was begun {than}."
        rest = (
            f"give the job up with `{job_command('cancel', job.id, home)}`; with the key that is "
            "set now the same command is another purchase."
        )
    elif job.state in (State.SENT, State.UNKNOWN):
        message = f"The job was submitted {than}, which cannot tell whether it was bought."
        rest = (
            f"see at {page} whether it was bought, and give it up here with "
            f"`{job_command('discard', job.id, home)}`."
        )
    else:
        message = f"The job was bought {than}, and {vendor} does not show it to this one."
        ids = ", ".join(str(value) for value in shown_ids(job.vendor_ids).values())
        rest = (
            "set a new one of the same account, which sees the job too, or look for it at "
            f"{page} ({ids})."
        )
    return CredentialError(
        message,
        field=ENVIRONMENT_VARIABLES[job.vendor],
        job_id=job.id,
        remedy=f"{key_remedy(job.vendor, home)} If that key is no longer valid, {rest}",
    )
