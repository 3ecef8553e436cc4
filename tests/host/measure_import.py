"""What loading the pack costs, measured in a ComfyUI's own Python: one JSON document.

Run in ComfyUI's folder, with the pack's folder as the argument. What a ComfyUI has imported before
it comes to packs is imported first, so that only what the pack adds is counted: CPU time, since
another program's load is no cost of ours (nor is a processor that is short of cache: the least of
a few turns counts), and every reach for the network or for writing to the disk.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
import time
from pathlib import Path
from typing import Any

TURNS = 3
OUTWARD = ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "sqlite3.connect")
ON_DISK = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink")


def main(pack: Path) -> dict[str, Any]:
    sys.argv[1:] = ["--cpu"]
    sys.path.insert(0, str(Path.cwd()))
    import comfy.options

    comfy.options.enable_args_parsing()
    import comfy_api.latest  # noqa: F401
    import execution  # noqa: F401
    import server  # noqa: F401

    before = set(sys.modules)
    touched: list[str] = []

    def watch(event: str, details: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(details[1], str) and set(details[1]) & set("wax+")
        if writes or event in OUTWARD or event in ON_DISK:
            touched.append(f"{event} {details[0]}")

    sys.addaudithook(watch)
    seconds, nodes = zip(*(load(pack, f"{pack}{turn}") for turn in range(TURNS)), strict=True)
    return {
        "seconds": min(seconds),
        "nodes": nodes[0],
        "touched": list(touched),
        "modules": sorted(name for name in set(sys.modules) - before if str(pack) not in name),
    }


def load(pack: Path, name: str) -> tuple[float, int]:
    """Import the pack anew under a name: the seconds it took, and how many nodes it has."""
    import comfy_api.latest

    started = time.thread_time()
    spec = importlib.util.spec_from_file_location(
        name, pack / "__init__.py", submodule_search_locations=[str(pack)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    extension: comfy_api.latest.ComfyExtension = asyncio.run(module.comfy_entrypoint())
    nodes = asyncio.run(extension.get_node_list())
    for node in nodes:
        node.GET_SCHEMA()
    return time.thread_time() - started, len(nodes)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.stdout.write("\n" + json.dumps(main(Path(sys.argv[1]))) + "\n")
