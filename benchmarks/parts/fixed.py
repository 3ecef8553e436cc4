"""What is paid before anything begins: starting the command, and loading the pack."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.conftest import SandboxProcess, bare_environment
from viseme.media import MediaGuard
from viseme.media.check_process import end_idle
from viseme.samples import sample_clip_path, sample_speech_path

from ..bench import Bench
from ..children import ROOT
from ..measuring import Spread
from ..report import Section, spread

_RUN_SECONDS = 120.0
_IMPORT_SECONDS = 300.0


def measure(bench: Bench) -> Section:
    section = Section("Fixed costs")
    rows = [*_first_requests(bench, section), *_imports(bench, section), *_checks(bench, section)]
    section.table(("what", "time, median [least - most]"), rows)
    return section


def _first_requests(bench: Bench, section: Section) -> list[list[str]]:
    """From exec to the first request that the sandbox has on its list."""
    bench.say("starts of `viseme run`")
    clip, whose = clip_to_run(bench.footage)
    options = ("--time-scale", "0.02", "--no-render")
    box = SandboxProcess(bench.disk / "fixed-sandbox", *options)
    try:
        # The first one writes what later ones find: compiled modules, and what the file is.
        values = [_first_request(bench, box, clip, take) for take in range(bench.plan.starts + 1)]
    finally:
        box.close()
    starts = Spread.of(values[1:])
    section.say(
        f"`viseme run fal-sync --sandbox URL --video {clip.name} --audio {_speech().name}` against "
        "a running sandbox, from exec to the first entry in `/_sandbox/requests`; the clip is "
        f"{whose}. One run before that is not counted, {starts.count} warm ones are. The import is "
        "measured in ComfyUI's own Python with what ComfyUI itself imports already there, each in "
        "a fresh process."
    )
    section.figures["first request"] = starts.middle
    return [["exec to first request", spread(starts)]]


def clip_to_run(footage: Sequence[Path]) -> tuple[Path, str]:
    """The clip that the target is about, whatever else is named; and in words, whose it is."""
    sample = sample_clip_path()
    for path in footage:
        if path.name == sample.name:
            return path, "the one of that name on the command line"
    return sample, "the sample that comes with Viseme"


def _speech() -> Path:
    return sample_speech_path()


def _first_request(bench: Bench, box: SandboxProcess, clip: Path, take: int) -> float:
    box.reset()
    script = Path(sys.executable).with_name("viseme")
    command = [str(script)] if script.exists() else [sys.executable, "-m", "viseme"]
    command += ["run", "fal-sync", "--home", str(bench.disk / "fixed-home")]
    command += ["--sandbox", box.control, "--video", str(clip), "--audio", str(_speech())]
    command += ["--take", str(take + 1), "-o", str(bench.disk / f"fixed-{take}.mp4")]
    started = time.time()  # the sandbox's clock
    subprocess.run(
        command,
        cwd=ROOT,
        env=bare_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=_RUN_SECONDS,
    )
    return float(box.calls()[0]["time"]) - started


def _imports(bench: Bench, section: Section) -> list[list[str]]:
    runtime = bench.runtime
    if runtime.comfyui is None:
        section.lacks(f"the import into ComfyUI ({runtime.missing})")
        return []
    bench.say("imports of the pack")
    program = ROOT / "tests" / "host" / "measure_import.py"
    values = []
    for _ in range(bench.plan.starts):
        said = subprocess.run(
            [str(runtime.python), str(program), str(ROOT)],
            cwd=runtime.comfyui,
            env=bare_environment() | runtime.environment,
            capture_output=True,
            check=True,
            timeout=_IMPORT_SECONDS,
        )
        values.append(float(_last_document(said.stdout)["seconds"]))
    section.figures["import"] = Spread.of(values).middle
    return [["import of the pack into ComfyUI", spread(Spread.of(values))]]


def _checks(bench: Bench, section: Section) -> list[list[str]]:
    """What checks media stays for a while: a result is read soon after what was sent for it."""
    bench.say("checks of a clip")
    clip, _ = clip_to_run(bench.footage)
    guard = MediaGuard()
    anew: list[float] = []
    again: list[float] = []
    for _ in range(bench.plan.starts):
        end_idle()
        for values in (anew, again):
            started = time.perf_counter()
            guard.clip(clip)
            values.append(time.perf_counter() - started)
    end_idle()
    return [
        [f"{clip.name} checked, by a process that is started for it", spread(Spread.of(anew))],
        ["... by the one that is there from the last file", spread(Spread.of(again))],
    ]


def _last_document(output: bytes) -> dict[str, Any]:
    for line in reversed(output.splitlines()):
        with contextlib.suppress(ValueError):
            document = json.loads(line)
            if isinstance(document, dict):
                return document
    raise ValueError("measure_import.py printed no JSON")
