"""Each optimisation taken back, one at a time, to see that the benchmark notices.

A mutation is applied in a child process around one measured run and undone after it, so that the
mutated way stands in the same alternation as ours: the part ``mutations`` has all of them, and
``python -m benchmarks --mutate NAME`` one more column for one. To add one: a context manager that
puts something slower in the place of something, and a line in ``MUTATIONS`` that says in which
kinds of work it should show. What it gives tells how often the work came upon it: a run that never
did is no run without the optimisation.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

_PR_SET_THP_DISABLE = 41
_PR_GET_THP_DISABLE = 42
# In which share of the rounds something is slower that is seen. One of nine may be the machine's
# own doing; by chance alone, eight of nine are slower once in 51 times.
SHARE_SEEN = 8 / 9
Reached: TypeAlias = "Callable[[], int]"


@dataclass(frozen=True)
class Mutation:
    """``parts`` are the kinds of work that should notice; ``says`` is what was taken back."""

    says: str
    parts: tuple[str, ...]
    applied: Callable[[], AbstractContextManager[Reached]]


@contextmanager
def _slice_threads() -> Iterator[Reached]:
    """x264 cuts each picture into slices for its threads, as PyAV has it by default."""
    from viseme.media.writer import ClipWriter

    place: Any = ClipWriter
    add_video = place._add_video
    count = 0

    def sliced(writer: ClipWriter, container: Any) -> Any:
        nonlocal count
        stream = add_video(writer, container)
        stream.codec_context.thread_type = "SLICE"
        count += 1
        return stream

    place._add_video = sliced
    try:
        yield lambda: count
    finally:
        place._add_video = add_video


@contextmanager
def _no_huge_pages() -> Iterator[Reached]:
    """Memory in small pages for the whole process, whoever asks for it. Linux only."""
    system = ctypes.CDLL(None, use_errno=True)

    def disable(value: int) -> None:
        if system.prctl(_PR_SET_THP_DISABLE, value, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "huge pages cannot be turned off for a process")

    disable(1)
    try:
        yield lambda: int(system.prctl(_PR_GET_THP_DISABLE, 0, 0, 0, 0))
    finally:
        disable(0)


@contextmanager
def _replaced(module: str, name: str, made: Callable[..., Any]) -> Iterator[Reached]:
    """Have ``made`` under a name of a module. Raises ``LookupError`` where it has none."""
    place = importlib.import_module(module)
    if not hasattr(place, name):
        raise LookupError(f"{module} has no {name} that could be replaced")
    before, count = getattr(place, name), 0

    def counted(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        return made(*arguments)

    setattr(place, name, counted)
    try:
        yield lambda: count
    finally:
        setattr(place, name, before)


@contextmanager
def _other_value(module: str, name: str, value: Any, reader: str) -> Iterator[Reached]:
    """Have another value under a name of a module. ``reader`` is the Class.method that reads it."""
    place = importlib.import_module(module)
    if not hasattr(place, name):
        raise LookupError(f"{module} has no {name} that could have another value")
    owner_name, method = reader.split(".")
    owner = getattr(place, owner_name)
    before, read, count = getattr(place, name), getattr(owner, method), 0

    def counted(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        return read(*arguments)

    setattr(place, name, value)
    setattr(owner, method, counted)
    try:
        yield lambda: count
    finally:
        setattr(place, name, before)
        setattr(owner, method, read)


class _InPlace:
    """In the place of a thread beside: what is put is done at once."""

    def __init__(self, work: Callable[[Any], None], _most_waiting: int) -> None:
        self._work = work

    def put(self, thing: Any) -> None:
        self._work(thing)

    def finish(self) -> None:
        """Everything is done already."""

    def stop(self) -> None:
        """Nothing runs."""


class _PoolInPlace:
    """In the place of a pool of threads."""

    def __init__(self, *_arguments: Any) -> None:
        pass

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(work(*arguments))
        return future

    def shutdown(self, **_options: Any) -> None:
        """Nothing runs."""


def _no_pipeline() -> AbstractContextManager[Reached]:
    """Each picture is coded before the next one is converted."""
    return _replaced("viseme.media.writer", "Beside", _InPlace)


def _no_parallel_decoding() -> AbstractContextManager[Reached]:
    """Each picture is converted before the next one is decoded."""
    return _replaced("viseme.media.floats", "ThreadPoolExecutor", _PoolInPlace)


def _whole_pictures_to_bytes() -> AbstractContextManager[Reached]:
    """Each step from floats to bytes goes over all of a picture before the next one begins."""
    return _other_value("viseme.media.pixels", "_SCRATCH_BYTES", 1 << 40, "FrameBytes.__init__")


def _default_scaler() -> AbstractContextManager[Reached]:
    """Chroma as swscale makes it when it is asked for nothing."""
    return _other_value("viseme.media.writer", "_MEAN_CHROMA", None, "ClipWriter._write_bytes")


@contextmanager
def _colours_at_once() -> Iterator[Reached]:
    """Of four numbers that are a pixel with alpha three are taken together."""
    from viseme.media.pixels import FrameBytes

    place: Any = FrameBytes
    convert = place._convert
    count = 0

    def at_once(frame_bytes: FrameBytes, rows: Any, scratch: Any, top: int) -> None:
        nonlocal count
        count += rows.shape[2] > 3
        convert(frame_bytes, rows[..., :3], scratch, top)

    place._convert = at_once
    try:
        yield lambda: count
    finally:
        place._convert = convert


def _whole_pictures_to_floats() -> AbstractContextManager[Reached]:
    """Each channel of all of a picture is written before the next one."""
    return _other_value("viseme.media.floats", "_ROWS", 1 << 20, "FloatReader._read_planes")


MUTATIONS: Mapping[str, Mutation] = {
    "slice-threads": Mutation(
        "x264 with slice threads instead of frame threads", ("encode",), _slice_threads
    ),
    "no-huge-pages": Mutation(
        "the tensor in small pages instead of huge ones", ("decode",), _no_huge_pages
    ),
    "no-pipeline": Mutation(
        "pictures coded in the thread that converts them", ("encode",), _no_pipeline
    ),
    "no-parallel-decoding": Mutation(
        "pictures converted in the thread that decodes them", ("decode",), _no_parallel_decoding
    ),
    "whole-pictures-to-bytes": Mutation(
        "floats made into bytes by whole pictures, not by pieces that stay in the cache",
        ("encode",),
        _whole_pictures_to_bytes,
    ),
    "default-scaler": Mutation(
        "swscale's own way to chroma instead of the mean of four pixels",
        ("encode",),
        _default_scaler,
    ),
    "colours-at-once": Mutation(
        "the colours of pixels with alpha taken together, not one by one",
        ("encode-alpha",),
        _colours_at_once,
    ),
    "whole-pictures-to-floats": Mutation(
        "channels written by whole pictures, not by rows that stay in the cache",
        ("decode",),
        _whole_pictures_to_floats,
    ),
}
