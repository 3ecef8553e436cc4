"""Threads that compute for seconds step back behind those that somebody waits for."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

_MORE_NICE = 10
_MOST_NICE = 19


def step_back() -> None:
    """Let the calling thread, and those that it starts from now on, give way to the others.

    Beside coders at full speed an event loop of the same process wakes up late by as long as the
    system lets each of them compute; behind it they take just as long where nothing else is to do.
    Only Linux knows the priority of one thread; elsewhere nothing happens.
    """
    if sys.platform != "linux":
        return
    thread = threading.get_native_id()
    with suppress(OSError):  # a container may forbid it, and all is only a little less smooth
        nice = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, min(nice + _MORE_NICE, _MOST_NICE))
