"""Remedies as complete command lines."""

from __future__ import annotations

from ..credentials import ENVIRONMENT_VARIABLES, status
from ..home import Home
from ..ledger import JobRecord
from ..model import Vendor
from .destination import LIVE


def job_command(verb: str, job_id: str, home: Home) -> str:
    """The complete command line for a verb on a job: it works from any folder."""
    return home.command(verb, job_id)


def choices(job: JobRecord, home: Home) -> str:
    """The three things that can be done about a job in doubt."""
    risk = ", which may be a second charge" if job.destination == LIVE else ""
    return (
        f"Check again: `{job_command('check', job.id, home)}`; "
        f"submit anew{risk}: `{job_command('resubmit', job.id, home)}`; "
        f"or give it up: `{job_command('discard', job.id, home)}`."
    )


def key_remedy(vendor: Vendor, home: Home) -> str:
    """How the key that is in force for a vendor is replaced by another."""
    variable = ENVIRONMENT_VARIABLES[vendor]
    if status(vendor, home).origin == variable:
        return (
            f"The key is that of the environment variable {variable}, which is stronger than any "
            "that is kept: correct it, or unset it."
        )
    return f"Set the right key with `{home.command('login', vendor.value)}`."
