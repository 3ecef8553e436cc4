"""Remedies as complete command lines."""

from __future__ import annotations

from ..home import Home


def job_command(verb: str, job_id: str, home: Home) -> str:
    """The complete command line for a verb on a job: it works from any folder."""
    return home.command(verb, job_id)


def choices(job_id: str, home: Home) -> str:
    """The three things that can be done about a job in doubt."""
    return (
        f"Check again: `{job_command('check', job_id, home)}`; "
        f"submit anew, which may be a second charge: `{job_command('resubmit', job_id, home)}`; "
        f"or give it up: `{job_command('discard', job_id, home)}`."
    )
