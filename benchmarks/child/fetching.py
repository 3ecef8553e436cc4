"""A file fetched from a server on this machine, as a result is."""

from __future__ import annotations

import asyncio
from pathlib import Path

from viseme.addresses import origin_of
from viseme.download import FetchRules, fetch

from .work import Facts, Job


class Fetch:
    """Fetches ``url`` into ``path`` once; what was there is replaced."""

    def __init__(self, job: Job) -> None:
        self.url: str = job["url"]
        self.path = Path(job["path"])
        self.rules = FetchRules(trusted_origins=frozenset({origin_of(self.url)}))
        self.digest, self.size_bytes = "", 0

    def run(self) -> None:
        fetched = asyncio.run(fetch(self.url, self.path, self.rules))
        self.digest, self.size_bytes = fetched.digest, fetched.size_bytes

    def facts(self) -> Facts:
        return {"digest": self.digest, "size_bytes": self.size_bytes}


def prepare(job: Job) -> Fetch:
    return Fetch(job)
