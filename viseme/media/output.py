"""Files that FFmpeg writes through this module: they can be stopped at every piece."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, TypeAlias

import av
import av.error

from ..errors import Interrupted
from ..parts import part_path, remove_part
from .partfile import flush_part, translated_writes

if TYPE_CHECKING:
    from av.container import OutputContainer

Cancel: TypeAlias = "Callable[[], bool] | None"

_PIECE_BYTES = 1 << 18


class Output:
    """A container under a hidden name, which gets the name ``path`` when it is whole.

    The caller writes to ``container`` and calls ``finish`` in the end. What is not finished where
    the block ends is thrown away. Raises ``LocalError`` where the file cannot be written.
    """

    container: OutputContainer

    def __init__(self, path: Path, muxer: str, options: Mapping[str, str] | None = None) -> None:
        self._path = path
        self._part = part_path(path)
        self._stop = _Stop()
        with translated_writes(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _Pieces(self._part, "xb", self._stop)
            try:
                self.container = self._open(muxer, options or {})
            except BaseException:
                self._file.close()
                remove_part(self._part)
                raise
        self._is_open = True

    def _open(self, muxer: str, options: Mapping[str, str]) -> OutputContainer:
        part, stop = self._part, self._stop

        def open_again(url: str, flags: int, options: dict[str, str]) -> _Pieces:
            """To read what is there, and write it again behind the index."""
            return _Pieces(part, "rb", stop)

        return av.open(
            self._file,
            "w",
            format=muxer,
            options=dict(options),
            buffer_size=_PIECE_BYTES,
            io_open=open_again,
        )

    def __enter__(self) -> Output:
        return self

    def __exit__(self, *exception: object) -> None:
        self.discard()

    def finish(self, cancel: Cancel = None) -> None:
        """Write what is left, put the index in front if told so, flush all, give it its name.

        For that the whole file is read and written once more, and a disk takes its time. Raises
        ``Interrupted`` at once when ``cancel`` says so; it is called in the caller's thread.
        """
        self._stop.cancel = cancel
        with translated_writes(self._path):
            self.container.close()
            if self._stop.is_told:
                raise Interrupted("Stopped.")
            self._file.close()
            flush_part(self._part, cancel)
            self._part.replace(self._path)
        self._is_open = False

    def hide(self) -> bool:
        """Remove what is not finished though it is still written to, which comes to nothing from
        now on; ``discard`` is still to be called. False where no file that is open can be removed.
        """
        if sys.platform == "win32":
            return False
        self._stop.is_told = True
        remove_part(self._part)
        return True

    def discard(self) -> None:
        """Throw away what is not finished. It is neither read nor written any more for that."""
        if not self._is_open:
            return
        self._is_open = False
        self._stop.is_told = True
        # The reason is already on its way up.
        with suppress(OSError, av.error.FFmpegError, ValueError):
            self.container.close()
        if sys.platform == "win32":
            self._file.close()  # no file that is open can be removed there
            remove_part(self._part)
            return
        remove_part(self._part)
        # What a file held is given back when it is closed, which takes 0.1 s for a GB and more.
        Thread(target=self._file.close, name="viseme-close", daemon=True).start()


def video_output(path: Path, container: str) -> Output:
    """For a video in mp4, mov or webm; the index stands in front, so that it plays at once."""
    options = {"movflags": "+faststart"} if container in ("mp4", "mov") else {}
    return Output(path, container, options)


class _Stop:
    """Whether writing is to end; once told so it stays so."""

    def __init__(self) -> None:
        self.cancel: Cancel = None
        self.is_told = False

    def ask(self) -> bool:
        if not self.is_told and self.cancel is not None:
            self.is_told = self.cancel()
        return self.is_told


class _Pieces:
    """A file as PyAV wants it, which asks at every piece whether to go on.

    Where not, it has come to its end and takes whatever is written to nowhere: FFmpeg goes on after
    errors, and PyAV tells of those that nobody took.
    """

    def __init__(self, part: Path, mode: str, stop: _Stop) -> None:
        self._file = part.open(mode, buffering=0)
        self._stop = stop
        self.name = str(part)
        self.seek, self.tell, self.close = self._file.seek, self._file.tell, self._file.close

    def read(self, size: int) -> bytes:
        return b"" if self._stop.ask() else self._file.read(size)

    def write(self, data: bytes) -> int:
        if not self._stop.ask():
            left = memoryview(data)
            while left:
                left = left[self._file.write(left) :]
        return len(data)
