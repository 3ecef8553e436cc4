"""The three vendors simulated on loopback: their wire protocols, jobs, prices, faults.

It knows nothing of Viseme's own endpoints and services: the rules are written a second time,
from the vendors' pages, so that a mistake on either side shows. ``run_sandbox`` runs it; it is
meant to be a process of its own. Its contract is in ``control.py`` (what it can be asked),
``faults.py`` (what can be made to go wrong) and ``lock.py`` (how a running one is found).

Any well-formed key is good, except one with ``wrong`` or ``invalid`` in it; fal's are
``Key id:secret``, the others' ``Bearer key``. Keys that are alike up to a ``+`` are of one account.
"""

from __future__ import annotations

import asyncio

from .faults import Faults
from .lock import HomeLock, LockInfo, read_lock
from .options import SandboxOptions

__all__ = ["LockInfo", "SandboxOptions", "read_lock", "run_sandbox"]


def run_sandbox(options: SandboxOptions) -> int:
    """Run until SIGINT, SIGTERM or the idle time; returns the exit code 0.

    Raises ``InputError`` for a fault that is none, ``LocalError`` when another sandbox holds the
    home or the port is taken.
    """
    faults = Faults(options.faults)
    with HomeLock(options.home) as lock:
        from .server import serve  # everything heavy; a refusal needs none of it

        asyncio.run(serve(options, faults, lock))
    return 0
