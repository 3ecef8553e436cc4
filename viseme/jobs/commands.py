"""Remedies as complete command lines."""

from __future__ import annotations

import shlex

from ..home import Home


def job_command(verb: str, job_id: str, home: Home) -> str:
    """``viseme VERB ID --home DIR``: works from any folder and in any shell of this user."""
    return f"viseme {verb} {job_id} --home {shlex.quote(str(home.root))}"


def choices(job_id: str, home: Home) -> str:
    """The three things that can be done about a job in doubt."""
    return (
        f"Check again: `{job_command('check', job_id, home)}`; "
        f"submit anew, which may be a second charge: `{job_command('resubmit', job_id, home)}`; "
        f"or give it up: `{job_command('discard', job_id, home)}`."
    )
