"""Speech made into a file that an endpoint takes, changed only as far as needed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

from ..errors import InputError, MediaTooLarge
from ..model import Recording
from .coding import SOUND_SUFFIXES
from .conform import Conformed
from .limits import DEFAULT_LIMITS, MediaLimits
from .sniff import MEDIA_TYPES

Cancel: TypeAlias = "Callable[[], bool] | None"

_LOSSLESS = ("flac", "wav")
_LOSSY = ("mp3", "mp4", "aac", "ogg")
_NAMES = {"mp4": "m4a (AAC)", "ogg": "Opus"}
_SOUND_TYPES = MEDIA_TYPES | {"mp4": "audio/mp4"}
_MOST_BITS_A_SECOND = 128_000
_LEAST_BITS_A_SECOND = 16_000
_USABLE_SHARE = Fraction(95, 100)
_LEAST_OFFSET = Fraction(1, 1000)
_ATTEMPTS = 3
_MOST_CHANNELS = 2
# At few bits a second, fewer samples sound better; MPEG-1 layer 3 has no less than 32 kbit/s.
_LOW_BITS, _LOW_RATE = 48_000, 24_000


def conform_speech(
    recording: Recording,
    out_dir: Path,
    *,
    containers: Collection[str],
    codecs: Collection[str],
    max_bytes: int | None = None,
    limits: MediaLimits = DEFAULT_LIMITS,
    cancel: Cancel = None,
) -> Conformed:
    """The recording itself where the endpoint takes it, else a new file in ``out_dir``.

    FLAC where allowed, else WAV; mp3, AAC or Opus where nothing lossless is taken or fits
    ``max_bytes``. The sample rate stays where the format has it, and but for few bits a second.
    A file that is taken passes with all its channels. One that is written has two at most: mp3
    holds no more, and of a WAV or FLAC with six whoever reads only the first two would miss the
    centre, where the speech is. ``mix_matrix`` says how they are mixed.

    Raises ``MediaTooLarge`` where nothing fits, ``InputError``, ``MediaDamaged``, ``LocalError``
    and ``Interrupted``.
    """
    is_small = max_bytes is None or recording.size_bytes <= max_bytes
    if is_small and _is_taken(recording, containers, codecs):
        return Conformed(
            recording.path,
            _SOUND_TYPES[recording.container],
            recording.size_bytes,
            ("passed through untouched",),
        )
    base = out_dir / f"{recording.path.stem[:60]}-speech"
    for container in (name for name in _LOSSLESS if name in containers):
        if max_bytes is not None and container == "wav" and _wav_bytes(recording) > max_bytes:
            continue
        path = _beside(base, container, recording)
        _write(recording, path, container, None, limits, cancel)
        if max_bytes is None or path.stat().st_size <= max_bytes:
            return _conformed(recording, path, container, None)
        path.unlink()
    for container in (name for name in _LOSSY if name in containers):
        fitted = _fit(recording, base, container, max_bytes, limits, cancel)
        if fitted is not None:
            return fitted
        raise _too_large(recording, max_bytes or 0)
    if max_bytes is not None and any(name in containers for name in _LOSSLESS):
        raise _too_large(recording, max_bytes)
    raise InputError(
        f"{recording.path} is {recording.container}; this endpoint takes "
        f"{', '.join(sorted(containers))}.",
        field="--audio",
        value=recording.container,
        limit=", ".join(sorted(containers)),
        remedy="Convert it first.",
    )


def _is_taken(recording: Recording, containers: Collection[str], codecs: Collection[str]) -> bool:
    return (
        recording.container in containers
        and recording.sound.codec in codecs
        and not recording.has_video
        and abs(recording.sound.start_seconds) <= _LEAST_OFFSET
    )


def _wav_bytes(recording: Recording) -> int:
    return recording.sound.sample_count * min(recording.sound.channels, _MOST_CHANNELS) * 2 + 128


def _beside(base: Path, container: str, recording: Recording) -> Path:
    path = base.with_name(base.name + SOUND_SUFFIXES[container])
    if path.absolute() == recording.path.absolute():
        path = path.with_stem(path.stem + "-2")
    return path


def _fit(
    recording: Recording,
    base: Path,
    container: str,
    max_bytes: int | None,
    limits: MediaLimits,
    cancel: Cancel,
) -> Conformed | None:
    bit_rate = _MOST_BITS_A_SECOND
    if max_bytes is not None:
        bit_rate = min(bit_rate, int(max_bytes * 8 * _USABLE_SHARE / recording.seconds))
    path = _beside(base, container, recording)
    for _ in range(_ATTEMPTS):
        if bit_rate < _LEAST_BITS_A_SECOND:
            return None
        _write(recording, path, container, bit_rate, limits, cancel)
        size_bytes = path.stat().st_size
        if max_bytes is None or size_bytes <= max_bytes:
            return _conformed(recording, path, container, bit_rate)
        path.unlink()
        bit_rate = int(bit_rate * Fraction(max_bytes, size_bytes) * _USABLE_SHARE)
    return None


def _write(
    recording: Recording,
    path: Path,
    container: str,
    bit_rate: int | None,
    limits: MediaLimits,
    cancel: Cancel,
) -> None:
    # Most pass as they are, and codecs take long to import.
    from .sound import SoundReader
    from .sound_writer import SoundWriter

    sound = recording.sound
    is_low = bit_rate is not None and bit_rate < _LOW_BITS
    channels = _channels_written(recording, bit_rate)
    with SoundWriter(
        path,
        sample_rate=sound.sample_rate,
        channels=channels,
        container=container,
        bit_rate=bit_rate,
        coded_rate=_LOW_RATE if is_low and sound.sample_rate > _LOW_RATE else None,
        cancel=cancel,
    ) as writer:
        for piece in SoundReader(recording, most_channels=channels, limits=limits, cancel=cancel):
            writer.write(piece)


def _channels_written(recording: Recording, bit_rate: int | None) -> int:
    if bit_rate is not None and bit_rate < _LOW_BITS:
        return 1
    return min(recording.sound.channels, _MOST_CHANNELS)


def _conformed(recording: Recording, path: Path, container: str, bit_rate: int | None) -> Conformed:
    step = f"encoded {recording.sound.codec} sound as {_NAMES.get(container, container)}"
    if bit_rate is not None:
        step += f" at {bit_rate // 1000} kbit/s"
    channels = _channels_written(recording, bit_rate)
    mixed = f"mixed {recording.sound.channels} channels down to {channels}"
    steps = (step, mixed) if channels < recording.sound.channels else (step,)
    return Conformed(path, _SOUND_TYPES[container], path.stat().st_size, steps)


def _too_large(recording: Recording, max_bytes: int) -> MediaTooLarge:
    return MediaTooLarge(
        f"{recording.path} ({float(recording.seconds):.1f} s) cannot be made to fit "
        f"{max_bytes} bytes.",
        field="--audio",
        value=recording.size_bytes,
        limit=max_bytes,
        remedy="Cut it shorter, or give an https URL.",
    )
