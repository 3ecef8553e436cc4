"""Each optimisation taken back, one at a time, to see that the benchmark notices.

A mutation is applied in a child process around one measured run and undone after it, and takes
turns with ours. The part ``mutations`` has all of them, or those that ``--mutate NAME`` names; one
of encoding with our defaults, or of decoding, is then one more column of the parts ``encode`` and
``decode`` too. To add one: a context manager in ``taken_back``, and a line in ``MUTATIONS`` that
says in which kinds of work it should show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from . import taken_back

# In which share of the rounds something is slower that is seen. One of nine may be the machine's
# own doing; by chance alone, eight of nine are slower once in 51 times.
SHARE_SEEN = 8 / 9
# What is done beside something else always uses the processors more. That it saves time too has to
# show by more than two runs of the same differ in their median.
LEAST_SLOWER = 1.02


@dataclass(frozen=True)
class Mutation:
    """``parts`` are the kinds of work that should notice; ``says`` is what was taken back.

    One that only ``overlaps`` work spares no computing, and a processor that is slow for a while
    hides what it gains: it is judged by how much of the processors was used, and has to take less
    time in the median besides.
    """

    says: str
    parts: tuple[str, ...]
    applied: Callable[[], AbstractContextManager[taken_back.Reached]]
    overlaps: bool = False

    def compared(self, run: Mapping[str, Any]) -> float:
        """What is greater of a run without it: seconds, or seconds for each of computing."""
        seconds = float(run["seconds"])
        return seconds / float(run["cpu_seconds"]) if self.overlaps else seconds


MUTATIONS: Mapping[str, Mutation] = {
    "slice-threads": Mutation(
        "x264 with slice threads instead of frame threads", ("encode",), taken_back.slice_threads
    ),
    "no-huge-pages": Mutation(
        "the tensor in small pages instead of huge ones", ("decode",), taken_back.no_huge_pages
    ),
    "x264s-own-threads": Mutation(
        "medium with no more threads and pictures ahead than x264 takes by itself",
        ("encode-medium",),
        taken_back.x264s_own_threads,
        overlaps=True,
    ),
    "no-pipeline": Mutation(
        "pictures coded in the thread that converts them",
        ("encode-veryfast",),
        taken_back.no_pipeline,
        overlaps=True,
    ),
    "no-parallel-decoding": Mutation(
        "pictures converted in the thread that decodes them",
        ("decode",),
        taken_back.no_parallel_decoding,
        overlaps=True,
    ),
    "whole-pictures-to-bytes": Mutation(
        "floats made into bytes by whole pictures, not by pieces that stay in the cache",
        ("convert-bytes",),
        taken_back.whole_pictures_to_bytes,
    ),
    "always-clamped": Mutation(
        "floats clamped before they are made bytes, whether one is out of range or not",
        ("convert-bytes",),
        taken_back.always_clamped,
    ),
    "default-scaler": Mutation(
        "swscale's own way to chroma instead of the mean of four pixels",
        ("convert-to-code",),
        taken_back.default_scaler,
    ),
    "colours-at-once": Mutation(
        "the colours of pixels with alpha taken together, not one by one",
        ("convert-alpha",),
        taken_back.colours_at_once,
    ),
    "decode-slice-threads": Mutation(
        "decoding with slice threads instead of frame threads",
        ("decode-checked",),
        taken_back.decode_slice_threads,
    ),
    "copied-bytes": Mutation(
        "each picture's bytes copied before they are converted",
        ("convert-to-code",),
        taken_back.copied_bytes,
    ),
    "one-step-to-bytes": Mutation(
        "pictures of a file made RGB bytes in one step, not by way of planes",
        ("convert-rgb",),
        taken_back.one_step_to_bytes,
    ),
    "held-converted-again": Mutation(
        "pictures that are held converted for each frame that shows them",
        ("convert-held",),
        taken_back.held_converted_again,
    ),
    "cut-by-coding": Mutation(
        "a part that begins at a key picture decoded and encoded anew, not copied",
        ("trim",),
        taken_back.cut_by_coding,
    ),
    "sound-decoded-to-count": Mutation(
        "a clip's AAC counted by decoding it, not by its packets",
        ("count",),
        taken_back.sound_decoded_to_count,
    ),
    "usual-aac": Mutation(
        "AAC by FFmpeg's usual coder, not by its fast one", ("replace",), taken_back.usual_aac
    ),
    "one-thread-digest": Mutation(
        "frames hashed on one processor", ("digest",), taken_back.one_thread_digest
    ),
    "fetched-in-the-loop": Mutation(
        "a result fetched by the event loop, not by a thread that waits for it",
        ("fetch",),
        taken_back.fetched_in_the_loop,
    ),
}
