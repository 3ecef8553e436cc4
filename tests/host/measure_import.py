"""What loading the pack costs, measured in a ComfyUI's own Python: one JSON document.

``<python of ComfyUI> tests/host/measure_import.py <folder of the pack>``, in ComfyUI's folder or
with COMFYUI_PATH set. What a ComfyUI has imported before it comes to packs is imported first, so
that only what the pack adds is counted, with modules compiled as at every start but the first.

``seconds`` is by the clock, ``cpu_seconds`` leaves out what other programs take of the processor.
``touched`` is every reach for the network and every writing to the disk, ``modules`` what was
imported from elsewhere, and ``own_modules`` what of the pack.
"""

from __future__ import annotations

import asyncio
import compileall
import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

NAME = "measured_pack"
OUTWARD = ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "sqlite3.connect")
ON_DISK = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink")


def main(pack: Path) -> dict[str, Any]:
    sys.argv[1:] = ["--cpu"]
    os.chdir(os.environ.get("COMFYUI_PATH") or Path.cwd())
    sys.path.insert(0, str(Path.cwd()))
    import comfy.options

    comfy.options.enable_args_parsing()
    import comfy_api.latest  # noqa: F401
    import execution  # noqa: F401
    import server  # noqa: F401

    for folder in ("nodes", "viseme"):
        compileall.compile_dir(pack / folder, quiet=1)
    compileall.compile_file(pack / "__init__.py", quiet=1)
    before = set(sys.modules)
    touched: list[str] = []

    def watch(event: str, details: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(details[1], str) and set(details[1]) & set("wax+")
        if writes or event in OUTWARD or event in ON_DISK:
            touched.append(f"{event} {details[0]}")

    sys.addaudithook(watch)
    clock, cpu = time.perf_counter(), time.thread_time()
    node_count = load(pack)
    seconds, cpu_seconds = time.perf_counter() - clock, time.thread_time() - cpu
    added = sorted(set(sys.modules) - before)
    own = [name for name in added if name.partition(".")[0] == NAME]
    return {
        "seconds": round(seconds, 4),
        "cpu_seconds": round(cpu_seconds, 4),
        "nodes": node_count,
        "touched": list(touched),
        "modules": [name for name in added if name not in own],
        "own_modules": [name.partition(".")[2] for name in own],
    }


def load(pack: Path) -> int:
    """Import the pack as ComfyUI does; how many nodes it has."""
    import comfy_api.latest

    spec = importlib.util.spec_from_file_location(
        NAME, pack / "__init__.py", submodule_search_locations=[str(pack)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)
    extension: comfy_api.latest.ComfyExtension = asyncio.run(module.comfy_entrypoint())
    nodes = asyncio.run(extension.get_node_list())
    for node in nodes:
        node.GET_SCHEMA()
    return len(nodes)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.stdout.write("\n" + json.dumps(main(Path(sys.argv[1]).absolute())) + "\n")
