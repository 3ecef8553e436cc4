"""Files that are to be shown turned."""

from __future__ import annotations

from pathlib import Path

_QUARTER_TURN = (0, 1 << 16, 0, -(1 << 16), 0)


def turn_by_a_quarter(path: Path) -> None:
    """Have the first track of an mp4 or mov file say that it is shown turned, clockwise."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44
    data[at : at + 20] = b"".join(n.to_bytes(4, "big", signed=True) for n in _QUARTER_TURN)
    path.write_bytes(data)
