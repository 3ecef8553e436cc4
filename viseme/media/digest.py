"""What identifies a file: BLAKE3 of its bytes, read in pieces."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import blake3

from ..errors import InputError, Interrupted

_PIECE_BYTES = 1 << 20


def stop_if(cancel: Callable[[], bool] | None) -> None:
    """Raise ``Interrupted`` where the user has asked to stop."""
    if cancel is not None and cancel():
        raise Interrupted("Stopped.")


def digest_file(path: Path, *, cancel: Callable[[], bool] | None = None) -> str:
    """BLAKE3 of the file's bytes, in hexadecimal; memory does not grow with the file."""
    hasher = blake3.blake3()
    piece = memoryview(bytearray(_PIECE_BYTES))
    try:
        with Path(path).open("rb", buffering=0) as file:
            while size := file.readinto(piece):
                hasher.update(piece[:size])
                stop_if(cancel)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise InputError(
            f"{path} cannot be read: {reason}.",
            value=path,
            remedy="Check that the file is there and may be read.",
        ) from error
    return hasher.hexdigest()
