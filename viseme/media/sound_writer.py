"""Sound into files: streamed in pieces."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

from ..errors import InputError
from .digest import stop_if
from .output import Output
from .partfile import translated_writes
from .pixels import to_array
from .sound_stream import SoundStream, as_samples

Cancel: TypeAlias = "Callable[[], bool] | None"

# container: muxer, encoder
_KINDS = {
    "wav": ("wav", "pcm_s16le"),
    "flac": ("flac", "flac"),
    "mp3": ("mp3", "libmp3lame"),
    "mp4": ("mp4", "aac"),
    "ogg": ("ogg", "libopus"),
    "aac": ("adts", "aac"),
}


class SoundWriter:
    """Writes one sound file: wav and flac of 16 bits, mp3, mp4 (AAC), ogg (Opus), aac.

    ``bit_rate`` is in bits a second for the whole track, ``coded_rate`` what mp3 and AAC are
    sampled at if not at ``sample_rate``. The file appears under its name when the block ends
    well; otherwise nothing is left. Raises ``InputError`` for another container, ``LocalError``
    where it cannot be written, and ``Interrupted``.
    """

    def __init__(
        self,
        path: Path,
        *,
        sample_rate: int,
        channels: int,
        container: str,
        bit_rate: int | None = None,
        coded_rate: int | None = None,
        cancel: Cancel = None,
    ) -> None:
        if container not in _KINDS:
            raise InputError(
                f"{container} is not a sound file that is written here.",
                value=container,
                limit=", ".join(_KINDS),
                remedy="Choose wav, flac or mp3.",
            )
        self.path = Path(path)
        self._format = (sample_rate, channels, bit_rate, coded_rate)
        self._kind = _KINDS[container]
        self._cancel = cancel
        self._output: Output | None = None
        self._stream: SoundStream | None = None

    def __enter__(self) -> SoundWriter:
        rate, channels, bit_rate, coded_rate = self._format
        muxer, codec = self._kind
        try:
            with translated_writes(self.path):
                self._output = Output(self.path, muxer)
                self._stream = SoundStream(
                    self._output.container, codec, rate, channels, bit_rate, coded_rate
                )
        except BaseException:
            self._discard()
            raise
        return self

    def write(self, samples: Any) -> None:
        """Append float32 [C, n] in -1..1 (array or tensor)."""
        if self._stream is None or self._output is None:
            raise InputError(f"{self.path} is not open for writing.")
        with translated_writes(self.path):
            for packets in self._stream.encode(to_array(samples)):
                stop_if(self._cancel)
                self._output.container.mux(packets)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None and self._stream is not None and self._output is not None:
                with translated_writes(self.path):
                    self._output.container.mux(self._stream.finish())
                self._output.finish(self._cancel)
        finally:
            self._discard()

    def _discard(self) -> None:
        if self._output is not None:
            self._output.discard()


def write_sound(
    path: Path,
    waveform: Any,
    sample_rate: int,
    container: str = "flac",
    *,
    bit_rate: int | None = None,
    cancel: Cancel = None,
) -> None:
    """Write float32 [C, S] or [1, C, S] in -1..1 (array or tensor) as ``SoundWriter`` does."""
    samples = as_samples(waveform, least_samples=1)
    with SoundWriter(
        path,
        sample_rate=sample_rate,
        channels=samples.shape[0],
        container=container,
        bit_rate=bit_rate,
        cancel=cancel,
    ) as writer:
        writer.write(samples)
