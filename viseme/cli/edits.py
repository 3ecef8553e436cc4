"""edits: a clip cut along a plan, without buying."""

from __future__ import annotations

import argparse

from ..edits import parse as parse_edits
from ..errors import InputError
from ..jobs.cut import cut_clip
from ..jobs.inputs import own_sound, read_clip_file, read_sound_file
from ..jobs.signals import CancelToken, Progress, Step
from ..jobs.workplace import media_limits
from ..media import MediaGuard
from ..model import Recording
from ..settings import Settings
from .buy import read_text_file
from .output import ProgressLine, print_json, say
from .session import check_out, open_home


def edits_verb(options: argparse.Namespace, cancel: CancelToken) -> int:
    """``edits apply``: the only action there is."""
    home = open_home(options)
    guard = MediaGuard(home.verdicts, media_limits(Settings.load(home.settings)))
    clip = read_clip_file(options.video, guard=guard, frames=True, cancel=cancel)
    if clip.is_still:
        raise InputError(
            "A still image has no frames to cut.",
            field="--video",
            value=options.video,
            remedy="Give a video.",
        )
    check_out(options.out, ".mp4", [options.video, options.audio])
    plan = parse_edits(read_text_file(options.edits, "--edits"), clip.frame_rate)
    recording: Recording | None = None
    if options.audio is not None:
        recording = read_sound_file(options.audio, guard=guard, cancel=cancel)
    elif clip.sound is not None:
        recording = own_sound(clip, guard=guard, cancel=cancel)
    with ProgressLine() as progress:

        def on_frame(done: int, total: int) -> None:
            progress(Progress(Step.PREPARE, f"cutting: {done} of {total} frames", done / total))

        frame_count = cut_clip(
            clip,
            recording,
            plan,
            options.out,
            recording_is_own=options.audio is None,
            limits=guard.limits,
            cancel=cancel,
            on_frame=on_frame,
        )
    if options.json:
        file = str(options.out)
        print_json({"file": file, "frames": frame_count, "source_frames": clip.frame_count})
        return 0
    say(f"{options.out}: {frame_count} frames of {clip.frame_count}")
    return 0
