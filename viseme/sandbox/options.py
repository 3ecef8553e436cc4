"""How one sandbox was asked to behave."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class SandboxOptions:
    """Everything that ``viseme sandbox`` can be told.

    ``home``: its state lives in ``<home>/sandbox``; one sandbox a home.
    ``port``: of the control address; ``None`` takes a free one. All other ports are always free
    ones, so that nothing may rely on them.
    ``faults``: ``NAME``, ``NAME:COUNT`` or ``NAME:0.1`` (a probability), see ``faults.py``.
    ``time_scale``: every simulated wait times this; 0 means none.
    ``render``: false answers with a ready-made clip whose timing means nothing.
    ``idle_timeout_seconds``: stop after so long without a call and without an unfinished job.
    ``json``: print the addresses as one JSON line once everything answers.
    ``pixverse_timing``: how long PixVerse's result is where speech and clip differ; no vendor
    says it.
    ``fal_lists_unfinished``: whether fal's list of requests has the unfinished ones too; its page
    shows ended ones only and does not say.
    """

    home: Path
    port: int | None = None
    faults: tuple[str, ...] = ()
    time_scale: float = 1.0
    render: bool = True
    idle_timeout_seconds: float | None = None
    json: bool = False
    pixverse_timing: Literal["speech", "clip"] = "speech"
    fal_lists_unfinished: bool = False
