"""How a vendor's word on a job is waited for between two questions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .base import Report


class Changes:
    """What a vendor says of one job unasked. Here that is nothing: the wait is the whole of it.

    It is for showing, and for asking at the right moment; what it says decides nothing.
    """

    async def next(self, seconds: float) -> Report | None:
        """The vendor's next word, without an answer or a problem; None where none came in time."""
        await asyncio.sleep(seconds)
        return None

    async def close(self) -> None:
        """Listen no longer."""
