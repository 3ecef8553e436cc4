"""The three vendors simulated on loopback: their wire protocols, jobs, prices, faults.

It knows nothing of Viseme's own endpoints and services: the rules are written a second time,
from the vendors' pages, so that a mistake on either side shows. ``run_sandbox`` runs it; it is
meant to be a process of its own. Its contract is in ``control.py`` (what it can be asked),
``faults.py`` (what can be made to go wrong) and ``lock.py`` (how a running one is found).

Any well-formed key is good, except one with ``wrong`` or ``invalid`` in it; fal's are
``Key id:secret``, the others' ``Bearer key``.
"""

from __future__ import annotations

from .lock import LockInfo, read_lock
from .options import SandboxOptions

__all__ = ["LockInfo", "SandboxOptions", "read_lock", "run_sandbox"]


def run_sandbox(options: SandboxOptions) -> int:
    """Run a sandbox until it is stopped; see ``server.run_sandbox``."""
    from .server import run_sandbox as run

    return run(options)
