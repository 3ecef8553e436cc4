"""What coding sound costs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..bench import Bench
from ..report import Section, seconds, spread
from ..scene import SAMPLE_RATE, speech
from .common import side_by_side

CONTAINERS = {"wav": "wav", "flac": "flac", "mp3": "mp3", "mp4": "AAC in mp4", "ogg": "Opus"}
_SHAPES = ((10, 1, SAMPLE_RATE, "10 s, mono, 44.1 kHz"), (60, 2, 48_000, "60 s, stereo, 48 kHz"))


def measure(bench: Bench) -> Section:
    section = Section("Coding sound")
    section.say("Speech into a file, with Viseme's writer; each kind at its default bit rate.")
    for length, channels, rate, title in _SHAPES:
        bench.say(f"coding sound of {title}")
        shown = min(length, 5) if bench.plan.is_quick else length
        path = bench.folder / f"sound-{channels}.f32"
        samples = speech(shown * rate / SAMPLE_RATE)
        np.repeat(samples[:, np.newaxis], channels, axis=1).tofile(path)
        base: dict[str, Any] = {"sound": str(path), "sample_rate": rate, "channels": channels}
        jobs = {
            name: {**base, "container": name, "path": str(bench.folder / f"coded.{name}")}
            for name in CONTAINERS
        }
        taken = side_by_side(bench, section, "sound", jobs, bench.plan.sound_rounds)
        section.say(f"### {title}")
        rows = [
            [
                CONTAINERS[name],
                spread(one.seconds),
                seconds(one.seconds.middle / shown),
                f"{one.last['size_bytes'] / 1000:,.0f} kB",
            ]
            for name, one in taken.items()
        ]
        head = ("kind", "time, median [least - most]", "a second of sound", "size")
        section.table(head, rows)
        for name, one in taken.items():
            section.figures[f"{channels}/{name}/a second"] = one.seconds.middle / shown
    return section
