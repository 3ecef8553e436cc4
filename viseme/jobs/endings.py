"""What to tell whoever comes away from a job that is bought and not brought home."""

from __future__ import annotations

from ..errors import CredentialError, OutcomeUnknown, VisemeError
from .commands import job_command
from .held import HeldJob


def goes_on(held: HeldJob, problem: VisemeError) -> VisemeError:
    """``problem`` with what is true of the job: it goes on, and how to come back to it."""
    command = job_command("resume", held.job.id, held.place.home)
    first = f"{problem.remedy} " if problem.remedy else ""
    remedy = f"The job goes on; the same command comes back to it, and so does `{command}`."
    if _is_another_key_at_hand(held, problem):
        remedy = f"The job goes on; `{command}` comes back to it."
    return _again(problem, first + remedy, held)


def unfetched(held: HeldJob, problem: VisemeError) -> VisemeError:
    """``problem`` of a job whose result the vendor has."""
    command = job_command("resume", held.job.id, held.place.home)
    first = f"{problem.remedy} " if problem.remedy else ""
    remedy = f"{made(held)}; the same command fetches it, and so does `{command}`."
    if _is_another_key_at_hand(held, problem):
        remedy = f"{made(held)}; `{command}` fetches it."
    return _again(problem, first + remedy, held)


def still_missing(held: HeldJob, problem: VisemeError) -> VisemeError:
    """``problem`` with asking for results that did not come, while others of the job are here."""
    command = job_command("resume", held.job.id, held.place.home)
    first = f"{problem.remedy} " if problem.remedy else ""
    remedy = f"The results that came are kept; `{command}` asks for the others again."
    return _again(problem, first + remedy, held)


def gone(held: HeldJob, problem: VisemeError) -> VisemeError:
    """A result that is not even at the address which the vendor names anew."""
    command = job_command("resume", held.job.id, held.place.home)
    remedy = (
        f"{made(held)}; try `{command}` later. If it stays so, the vendor keeps it no longer, "
        f"and the same command with --take {held.job.take + 1} buys it anew."
    )
    return _again(problem, remedy, held)


def made(held: HeldJob) -> str:
    """What is true of a result that the vendor has: what it has cost."""
    return "It is paid for" if held.destination.is_live else "It is made, free in the sandbox"


def _is_another_key_at_hand(held: HeldJob, problem: VisemeError) -> bool:
    """Whether the key that is set, or will be to mend this, is not the job's own.

    With such a one the same command is another purchase.
    """
    return held.other_key is not None or isinstance(problem, CredentialError)


def _again(problem: VisemeError, remedy: str, held: HeldJob) -> VisemeError:
    if isinstance(problem, OutcomeUnknown):
        return problem
    return type(problem)(
        problem.message,
        field=problem.field,
        value=problem.value,
        limit=problem.limit,
        remedy=remedy,
        job_id=held.job.id,
        vendor_id=problem.vendor_id,
        code=problem.code,
        http_status=problem.http_status,
    )
