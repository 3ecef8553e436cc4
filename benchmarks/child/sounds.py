"""Sound into a file, in each of the kinds that a vendor may take."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from viseme import media

from .work import Facts, Job


class Sound:
    def __init__(self, job: Job) -> None:
        self.path = Path(job["path"])
        self.container: str = job["container"]
        self.sample_rate: int = job["sample_rate"]
        samples: NDArray[np.float32] = np.fromfile(job["sound"], np.float32)
        self.samples = np.ascontiguousarray(samples.reshape(-1, job["channels"]).T)

    def run(self) -> None:
        media.write_sound(self.path, self.samples, self.sample_rate, self.container)

    def facts(self) -> Facts:
        return {"size_bytes": self.path.stat().st_size}


def prepare(job: Job) -> Sound:
    return Sound(job)
