"""That what was sent is what was planned: the user's own files may be overwritten meanwhile.

A purchase is booked under the digests of the files as they were read for the plan, but minutes may
pass until they are sent. Bytes that go out as they are, in one piece, are digested while they go
(``FileBody``), which is proof and costs no reading. What is uploaded in parts, which go out side by
side, and what is made out of a file (conformed, cut, a window of it) is held against the file's
state at the time of the plan instead: to digest it once more would mean to read it once more.
"""

from __future__ import annotations

from collections.abc import Callable

from ..bodies import changed_file
from ..endpoints.base import Order
from ..errors import InputError, LocalError, VisemeError
from ..media import has_changed
from ..model import Clip, Recording


def check_sources(order: Order, cancel: Callable[[], bool] | None = None) -> None:
    """Raise InputError where a file of the order is not what it was when it was planned. Blocking.

    To be called after the last byte was read of whatever is not digested while it is sent.
    """
    for field, medium in (("--video", order.footage), ("--audio", order.speech)):
        if not isinstance(medium, (Clip, Recording)) or medium.source is None:
            continue
        if has_changed(medium.source, cancel=cancel):
            raise changed_file(medium.source.path, field)


def true_cause(problem: VisemeError, order: Order) -> VisemeError:
    """``problem``, or the file that changed where that is why it cannot be read or made fit."""
    if isinstance(problem, (InputError, LocalError)):
        try:
            check_sources(order)
        except InputError as changed:
            return changed
    return problem
