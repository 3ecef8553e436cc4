"""What every verb begins with: home, settings, ledger, and where jobs go."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ..errors import InputError, LocalError
from ..home import Home, find_home
from ..jobs.destination import Destination, chosen_sandbox, live, sandbox_at
from ..jobs.returned import forget_returned
from ..jobs.workplace import Workplace
from ..ledger import Ledger
from ..parts import part_path, put_in_place, remove_part
from ..settings import Settings


def open_home(options: argparse.Namespace) -> Home:
    """The home folder, created where it is missing."""
    return find_home(options.home).create()


@contextlib.contextmanager
def workplace(options: argparse.Namespace) -> Iterator[Workplace]:
    """Home, settings and ledger. Raises InputError, LocalError, LedgerError."""
    home = open_home(options)
    settings = Settings.load(home.settings)
    ledger = Ledger.open(home.ledger)
    try:
        yield Workplace(home, settings, ledger)
    finally:
        forget_returned(home)
        ledger.close()


async def destination(options: argparse.Namespace, place: Workplace) -> Destination:
    """Live without --sandbox, else the sandbox that it names (see ``sandbox``)."""
    if options.sandbox is None:
        return live(place.settings)
    return await sandbox(place, options.sandbox)


async def sandbox(place: Workplace, url: str = "") -> Destination:
    """The sandbox at ``url``, else the one that settings name, else this home's own."""
    if url:
        return await sandbox_at(url, place.home)
    return await chosen_sandbox(place.home, place.settings)


def check_out(out: Path, suffix: str, inputs: list[str | None]) -> None:
    """Refuse a bad place for the result before anything is spent.

    Raises InputError for a suffix that does not fit, a folder that is missing and a file that is
    one of the inputs.
    """
    if out.suffix.lower() != suffix:
        raise InputError(
            f"The result is {suffix}, and {out.name} is named otherwise.",
            field="--out",
            value=out,
            limit=suffix,
            remedy=f"Name it {out.with_suffix(suffix).name}.",
        )
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise InputError(
            f"{out} cannot be written: its folder is missing, or it is a folder itself.",
            field="--out",
            value=out,
            remedy="Create the folder first, or name another file.",
        )
    for name in inputs:
        if name and out.exists() and Path(name).exists() and out.samefile(name):
            raise InputError(
                f"{out} is one of the inputs and would be overwritten.",
                field="--out",
                value=out,
                remedy="Name another file.",
            )


def copy_results(
    files: tuple[Path, ...], out: Path, *, job_id: str, command: str
) -> tuple[Path, ...]:
    """Copy the results of a job to ``out``, ``out-2`` ...; each appears only when it is whole.

    ``command`` brings the results to ``out`` where this fails.
    """
    written = []
    for number, source in enumerate(files, 1):
        target = out if number == 1 else out.with_name(f"{out.stem}-{number}{out.suffix}")
        part = part_path(target)
        if not source.is_file():
            raise LocalError(
                f"The result's file {source} is gone.",
                field="job",
                value=job_id,
                remedy=f"Fetch it again with `{command}`.",
                job_id=job_id,
            )
        try:
            with source.open("rb") as reader, part.open("xb") as writer:
                while chunk := reader.read(1 << 20):
                    writer.write(chunk)
                writer.flush()
                os.fsync(writer.fileno())
            put_in_place(part, target)
        except OSError as problem:
            raise LocalError(
                f"{target} cannot be written: {problem.strerror or problem}.",
                field="--out",
                value=target,
                remedy=f"The result is kept; make room and copy it with `{command}`.",
                job_id=job_id,
            ) from problem
        finally:
            remove_part(part)
        written.append(target)
    return tuple(written)
