"""The only place where media are opened for reading, and where FFmpeg's errors become ours."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import av
import av.error

from ..errors import MediaTooLarge, VisemeError
from .identify import damaged, identify, out_of_memory, unreadable
from .limits import DEFAULT_LIMITS, MediaLimits

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.stream import Stream

# Never a playlist, a concatenation or a pattern of images: those read other files and networks.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,wav,mp3,ogg,flac,aac,png_pipe,jpeg_pipe,webp_pipe"
)
_DEMUXERS = {
    "mp4": "mov",
    "mov": "mov",
    "matroska": "matroska",
    "webm": "matroska",
    "avi": "avi",
    "wav": "wav",
    "mp3": "mp3",
    "flac": "flac",
    "ogg": "ogg",
    "aac": "aac",
    "png": "png_pipe",
    "jpeg": "jpeg_pipe",
    "webp": "webp_pipe",
}


@contextmanager
def open_media(path: Path, *, limits: MediaLimits = DEFAULT_LIMITS) -> Iterator[InputContainer]:
    """Open a local file for demuxing, with nothing but files and known formats allowed.

    Raises what ``identify`` raises; within the block FFmpeg's errors become ``MediaDamaged`` and
    ``MediaTooLarge``.
    """
    path = Path(path)
    kind = identify(path, limits=limits)
    with translated(path):
        container = av.open(
            f"file:{path.absolute()}",
            "r",
            format=_DEMUXERS[kind],
            options={"format_whitelist": _FORMATS, "protocol_whitelist": "file"},
            metadata_errors="replace",
        )
        try:
            _check_streams(path, container, limits)
            yield container
        finally:
            container.close()


def _check_streams(path: Path, container: InputContainer, limits: MediaLimits) -> None:
    if len(container.streams) > limits.max_streams:
        raise MediaTooLarge(
            f"{path} has {len(container.streams)} streams; at most {limits.max_streams} are read.",
            value=len(container.streams),
            limit=limits.max_streams,
            remedy="Export it with one picture and one sound track.",
        )
    for stream in container.streams.video:
        if not has_decoder(stream):
            continue
        check_picture_size(path, stream.width, stream.height, limits)
        stream.codec_context.options = {"max_pixels": str(limits.max_pixels)}


def has_decoder(stream: Stream) -> bool:
    """Whether FFmpeg can decode the stream; its stubs deny that it may not."""
    return getattr(stream, "codec_context", None) is not None


def check_picture_size(path: Path, width: int, height: int, limits: MediaLimits) -> None:
    """Raises ``MediaTooLarge`` where a picture has more pixels than the limit."""
    if width * height > limits.max_pixels:
        raise MediaTooLarge(
            f"{path} is {width}x{height}; at most {limits.max_pixels} pixels are read.",
            value=f"{width}x{height}",
            limit=limits.max_pixels,
            remedy="Scale it down first.",
        )


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what FFmpeg and the system raise while reading ``path`` into our errors."""
    try:
        yield
    except VisemeError:
        raise
    except MemoryError as error:
        raise out_of_memory(path) from error
    except (av.error.InvalidDataError, av.error.EOFError) as error:
        raise damaged(path, "its content cannot be read") from error
    except av.error.FFmpegError as error:
        if error.errno in (errno.ENOMEM, errno.EAGAIN):  # EAGAIN is a thread that found no room
            raise out_of_memory(path) from error
        if isinstance(error, OSError) and error.errno in (errno.ENOENT, errno.EACCES):
            raise unreadable(path, error) from error
        # Decoders also end with numbers that FFmpeg has no words for.
        said = error.strerror or ""
        has_words = bool(said) and not said.startswith("Error number ")
        raise damaged(path, said if has_words else "its content cannot be read") from error
    except OSError as error:
        raise unreadable(path, error) from error
    except (IndexError, UnicodeDecodeError, EOFError) as error:
        raise damaged(path, "its content cannot be read") from error
