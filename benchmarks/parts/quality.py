"""How alike an encoded file is to what went in: SSIM of the luma, as ffmpeg has it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import av

from ..inputs import Input

_BT709 = 1  # AVCOL_SPC_BT709


def matrix_of_file(path: Path) -> str:
    """The one that a file of RGB frames is coded in: untagged it is swscale's own, BT.601."""
    with av.open(str(path)) as container:
        return "bt709" if container.streams.video[0].codec_context.colorspace == _BT709 else "bt601"


def ssim_y(clip: Input, encoded: Path, matrix: str) -> float:
    """1 is equal. What went in is made YUV by ``matrix``, the one that the file is coded in.

    Raises ``RuntimeError`` where ffmpeg fails.
    """
    reference = f"[1:v]scale=out_color_matrix={matrix}:out_range=tv,format=yuv420p[given]"
    command = [
        *("ffmpeg", "-nostdin", "-hide_banner", "-i", str(encoded)),
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{clip.width}x{clip.height}"),
        *("-r", str(clip.frame_rate), "-i", str(clip.raw)),
        *("-lavfi", f"{reference};[0:v][given]ssim", "-an", "-f", "null", "-"),
    ]
    said = subprocess.run(command, capture_output=True, check=False, text=True).stderr
    found = re.search(r"SSIM Y:([0-9.]+)", said)
    if found is None:
        raise RuntimeError(f"ffmpeg tells no SSIM of {encoded}: {said[-1000:]}")
    return float(found[1])
