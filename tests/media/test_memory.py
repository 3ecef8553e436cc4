"""Memory must not grow with a clip's length, even where no garbage collector runs for a while."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# Each way is gone first with a short clip, so that code, threads and buffers are there, then with
# a long one. A picture held back for each frame would be 11 MB of YUV, or 22 MB of RGB.
PROGRAM = """
import gc, json, sys
from fractions import Fraction
from pathlib import Path
import numpy as np
from viseme import media
from viseme.sandbox.render import Result, render
from viseme.sandbox.schedule import bounced, looped
from viseme.sandbox.source import Footage, RecordedSpeech

gc.disable()
folder = Path(sys.argv[1])
WIDTH, HEIGHT, SHORT, LONG = 480, 272, 25, 80

def written(name, frame_count):
    path = folder / name
    frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    with media.ClipWriter(
        path, width=WIDTH, height=HEIGHT, frame_rate=Fraction(25), sound=(16000, 1),
        settings=media.EncodeSettings(preset="ultrafast"),
    ) as writer:
        for index in range(frame_count):
            frame[:] = index
            writer.write_frame(frame)
        writer.write_sound(np.zeros((1, frame_count * 640), np.float32))
    return path

def turned(path):
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44
    data[at : at + 20] = b"".join(n.to_bytes(4, "big", signed=True)
                                  for n in (0, 1 << 16, 0, -1 << 16, 0))
    copy = path.with_stem(path.stem + "-turned")
    copy.write_bytes(data)
    return copy

def conformed(path, container, codec):
    clip = media.probe_clip(path)
    media.conform_clip(clip, folder / "out", containers=[container], codecs=[codec])

def rendered(path, schedule):
    footage = Footage(path)
    slots = list(schedule(2 * footage.frame_count, footage.frame_count))
    result = Result(folder / "out.mp4", slots[-footage.frame_count - 5:], footage.frame_rate,
                    WIDTH, HEIGHT, 640 * footage.frame_count)
    render(footage, RecordedSpeech.open(path), result, lambda: False)

def encoded(path):
    frame_count = SHORT if "short" in path.name else LONG
    chunk = np.full((1, HEIGHT, WIDTH, 3), 0.5, np.float32)
    media.encode_clip(folder / "encoded.mp4", (chunk for _ in range(frame_count)), Fraction(25),
                      (np.zeros((1, frame_count * 640), np.float32), 16000))

def trimmed(path):
    media.trim_clip(media.probe_clip(path), folder / "cut.mp4", 0,
                    SHORT - 1 if "short" in path.name else LONG - 1)

def decoded(path):
    for _ in media.iterate_frames(media.probe_clip(path)):
        pass

WAYS = {
    "probe": media.probe_clip,
    "decode": decoded,
    "decode turned": lambda path: decoded(turned(path)),
    "decode sound": lambda path: sum(1 for _ in media.iterate_sound(path)),
    "remux": lambda path: conformed(path, "mov", "h264"),
    "transcode": lambda path: conformed(path, "mp4", "vp9"),
    "transcode turned": lambda path: conformed(turned(path), "mp4", "h264"),
    "encode": encoded,
    "trim": trimmed,
    "render": lambda path: rendered(path, looped),
    "render backward": lambda path: rendered(path, bounced),
}

def peak_kilobytes():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])

short, long = written("short.mp4", SHORT), written("long.mp4", LONG)
growth = {}
for name, way in WAYS.items():
    way(short)
    before = peak_kilobytes()
    way(long)
    growth[name] = peak_kilobytes() - before
# So many opened files are no growth either.
before = peak_kilobytes()
for _ in range(12):
    decoded(short)
growth["decode often"] = peak_kilobytes() - before
print(json.dumps(growth))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_way_through_a_clip_keeps_its_pictures(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    # So that the C library gives pictures back at once, which it learns by and by not to do.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "131072"}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=Path(__file__).parents[2], env=environment
    )
    assert done.returncode == 0, done.stderr
    growth = json.loads(done.stdout)
    # Run backward, pictures come in runs of up to 64 MiB, which the short clip does not fill.
    most = {"render backward": 28 * 1024}
    assert {name: k for name, k in growth.items() if k > most.get(name, 7 * 1024)} == {}
