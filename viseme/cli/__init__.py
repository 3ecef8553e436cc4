"""The ``viseme`` command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from .. import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (this process's own unless given); returns the exit code."""
    parser = argparse.ArgumentParser(prog="viseme", description="Hosted lip-sync, bought once.")
    parser.add_argument("--version", action="version", version=f"viseme {__version__}")
    parser.parse_args(arguments)
    parser.print_help()
    return 0
