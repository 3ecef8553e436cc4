"""Whether our frames are the host's own, bit for bit: one JSON document, {path: verdict}.

Run in ComfyUI's folder with its Python, with the folder of ``viseme`` and the files as arguments.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(root: Path, paths: list[str]) -> dict[str, str]:
    sys.argv[1:] = ["--cpu"]
    sys.path[:0] = [str(Path.cwd()), str(root)]
    import comfy.options

    comfy.options.enable_args_parsing()
    import torch
    from comfy_api.latest import InputImpl

    from viseme.media import decode_frames, probe_clip

    verdicts = {}
    for path in paths:
        theirs = InputImpl.VideoFromFile(path).get_components().images
        ours = torch.from_numpy(decode_frames(probe_clip(Path(path))))
        if theirs.shape != ours.shape:
            verdicts[path] = f"{tuple(ours.shape)} is not the host's {tuple(theirs.shape)}"
        else:
            verdicts[path] = "equal" if torch.equal(ours, theirs) else "other values"
    return verdicts


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2:])))  # noqa: T201  # read by the test
