"""ComfyUI core's own VIDEO classes, loaded as ComfyUI itself loads them."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import Any

FOLDER_VARIABLE = "BENCHMARK_COMFYUI"


@cache
def core() -> Any:
    """The module ``comfy_api.latest``. Raises ``ImportError`` where there is no ComfyUI."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        raise ImportError("no ComfyUI was found")
    sys.argv[1:] = ["--cpu"]
    sys.path.insert(0, folder)
    import comfy.options

    comfy.options.enable_args_parsing()
    import comfy_api.latest

    return comfy_api.latest
