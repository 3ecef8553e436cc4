"""How each optimisation is taken back, and put in its place again.

A context manager puts something slower in the place of something. What it gives tells how often
the work came upon it: a run that never did is no run without the optimisation.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias

_PR_SET_THP_DISABLE = 41
_PR_GET_THP_DISABLE = 42
Reached: TypeAlias = "Callable[[], int]"


@contextmanager
def slice_threads() -> Iterator[Reached]:
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
def no_huge_pages() -> Iterator[Reached]:
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

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        return made(*arguments, **options)

    setattr(place, name, counted)
    try:
        yield lambda: count
    finally:
        setattr(place, name, before)


@contextmanager
def _other_value(module: str, name: str, value: Any, reader: str) -> Iterator[Reached]:
    """Have another value under a name of a module.

    ``reader`` is what reads it: a function of the module, or Class.method.
    """
    place = importlib.import_module(module)
    if not hasattr(place, name):
        raise LookupError(f"{module} has no {name} that could have another value")
    owner_name, _, method = reader.rpartition(".")
    owner = getattr(place, owner_name) if owner_name else place
    before, read, count = getattr(place, name), getattr(owner, method), 0

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        return read(*arguments, **options)

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

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(work(*arguments))
        return future


def no_pipeline() -> AbstractContextManager[Reached]:
    """Each picture is coded before the next one is converted."""
    return _replaced("viseme.media.writer", "Beside", _InPlace)


def x264s_own_threads() -> AbstractContextManager[Reached]:
    """No preset has x264 work on more pictures at once than it does by itself."""
    return _other_value("viseme.media.coding", "_SLOWER", frozenset(), "_works_on_more")


def no_parallel_decoding() -> AbstractContextManager[Reached]:
    """Each picture is converted before the next one is decoded."""
    return _replaced("viseme.media.floats", "_pool", _PoolInPlace)


def whole_pictures_to_bytes() -> AbstractContextManager[Reached]:
    """Each step from floats to bytes goes over all of a picture before the next one begins."""
    return _other_value("viseme.media.pixels", "_SCRATCH_BYTES", 1 << 40, "FrameBytes.__init__")


def always_clamped() -> AbstractContextManager[Reached]:
    """No look at floats tells that they can become bytes as they are."""
    return _replaced("viseme.media.pixels", "_is_in_range", lambda _values: False)


def default_scaler() -> AbstractContextManager[Reached]:
    """Chroma as swscale makes it when it is asked for nothing."""
    return _other_value("viseme.media.to_code", "_MEAN_CHROMA", None, "PicturesToCode.from_bytes")


@contextmanager
def colours_at_once() -> Iterator[Reached]:
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


def decode_slice_threads() -> AbstractContextManager[Reached]:
    """FFmpeg shares the slices of each picture among its threads, as PyAV has it by default."""
    from viseme.media import frames

    decoded: Any = frames._decoded

    def sliced(container: Any, stream: Any, *arguments: Any) -> Any:
        stream.thread_type = "SLICE"
        return decoded(container, stream, *arguments)

    return _replaced("viseme.media.frames", "_decoded", sliced)


@contextmanager
def copied_bytes() -> Iterator[Reached]:
    """A picture for the converter gets bytes of its own."""
    from av.video.frame import VideoFrame

    from viseme.media import to_code

    place: Any = to_code
    count = 0

    class Copying:
        """What the module makes of the class."""

        @staticmethod
        def from_numpy_buffer(pixels: Any, layout: str) -> VideoFrame:
            nonlocal count
            count += 1
            return VideoFrame.from_ndarray(pixels, layout)

    place.VideoFrame = Copying
    try:
        yield lambda: count
    finally:
        place.VideoFrame = VideoFrame


@contextmanager
def one_step_to_bytes() -> Iterator[Reached]:
    """RGB bytes are made at once, not by way of planes."""
    from viseme.media.picture import PictureReader

    owner: Any = PictureReader
    init = owner.__init__
    count = 0

    class Direct:
        """A reformatter that is asked for planes, and gives the bytes that are made of them."""

        def __init__(self, reformatter: Any) -> None:
            self._reformatter = reformatter

        def reformat(self, picture: Any, **options: Any) -> Any:
            nonlocal count
            if options["format"] == "gbrp":
                count += 1
                options |= {"format": "rgb24"}
            return self._reformatter.reformat(picture, **options)

    class Done:
        """The second step, which has nothing left to do."""

        def reformat(self, picture: Any, **_options: Any) -> Any:
            return picture

    def made(reader: Any) -> None:
        init(reader)
        reader._reformatter, reader._packer = Direct(reader._reformatter), Done()

    owner.__init__ = made
    try:
        yield lambda: count
    finally:
        owner.__init__ = init


@contextmanager
def held_converted_again() -> Iterator[Reached]:
    """A picture that is held is converted each time that it is written."""
    from viseme.media.writer import ClipWriter

    place: Any = ClipWriter
    write = place.write_picture
    count = 0

    def anew(writer: Any, picture: Any) -> None:
        nonlocal count
        count += writer._last is not None and writer._last[0] is picture
        writer._last = None
        write(writer, picture)

    place.write_picture = anew
    try:
        yield lambda: count
    finally:
        place.write_picture = write


def cut_by_coding() -> AbstractContextManager[Reached]:
    """A part that could be copied is decoded and encoded anew."""
    return _replaced("viseme.media.remux", "can_cut", lambda *_arguments, **_options: False)


@contextmanager
def sound_decoded_to_count() -> Iterator[Reached]:
    """Each packet of a clip's sound is decoded to count its samples."""
    from viseme.media.track import SoundTrack

    place: Any = SoundTrack
    count_by_times = place.count_by_times
    count = 0

    def decoded(track: Any, packet: Any) -> None:
        nonlocal count
        count += 1
        track.count(packet)

    place.count_by_times = decoded
    try:
        yield lambda: count
    finally:
        place.count_by_times = count_by_times


def usual_aac() -> AbstractContextManager[Reached]:
    """FFmpeg's AAC coder is not told which of its searches to take."""
    return _replaced("viseme.media.sound_stream", "coder_options", lambda *_given: {})


@contextmanager
def one_thread_digest() -> Iterator[Reached]:
    """Frames in memory are hashed on one processor."""
    from blake3 import blake3

    from viseme.media import memory_digest

    place: Any = memory_digest
    count = 0

    class OnOne:
        """What the module makes of the class: as many threads as there are, which is one."""

        AUTO = 1

        def __new__(cls, *arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            return blake3(*arguments, **options)

    place.blake3 = OnOne
    try:
        yield lambda: count
    finally:
        place.blake3 = blake3


def fetched_in_the_loop() -> AbstractContextManager[Reached]:
    """The file's bytes come by httpx's asynchronous client, and are written between them."""
    import httpx

    from viseme.download import FetchedFile, PartFile

    async def in_the_loop(get: Any) -> FetchedFile:
        hop = get.__self__
        async with (
            httpx.AsyncClient(trust_env=False, verify=False) as client,  # noqa: S501  # no TLS
            client.stream("GET", hop.url) as response,
        ):
            with PartFile(hop.target) as part:
                async for chunk in response.aiter_raw():
                    part.write(chunk)
                return part.finish()

    return _replaced("viseme.download", "aside", in_the_loop)
