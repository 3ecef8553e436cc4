"""``python -m viseme.sandbox``: the sandbox without the rest of the command line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..errors import VisemeError
from . import SandboxOptions, run_sandbox


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m viseme.sandbox", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int)
    parser.add_argument("--fault", action="append", default=[], metavar="NAME[:COUNT]")
    parser.add_argument("--time-scale", type=float, default=1.0)
    parser.add_argument("--no-render", action="store_true")
    parser.add_argument("--idle-timeout", type=float, metavar="SECONDS")
    parser.add_argument("--pixverse-timing", choices=("speech", "clip"), default="speech")
    parser.add_argument("--fal-lists-unfinished", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    options = SandboxOptions(
        home=given.home,
        port=given.port,
        faults=tuple(given.fault),
        time_scale=given.time_scale,
        render=not given.no_render,
        idle_timeout_seconds=given.idle_timeout,
        json=given.json,
        pixverse_timing=given.pixverse_timing,
        fal_lists_unfinished=given.fal_lists_unfinished,
    )
    try:
        return run_sandbox(options)
    except VisemeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
