"""Type-check the nodes, strictly.

ComfyUI imports the checkout as a package under a name of its own choosing, and the nodes reach the
core by relative imports across it. mypy needs such a name too: it gets the checkout by a link that
is called ``pack``.

    python tools/check_node_types.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
NAME = "pack"


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / NAME
        link.symlink_to(REPOSITORY, target_is_directory=True)
        command = [
            sys.executable,
            "-m",
            "mypy",
            "--config-file",
            str(REPOSITORY / "pyproject.toml"),
        ]
        command += ["--cache-dir", str(REPOSITORY / ".mypy_cache" / NAME)]
        command += [f"{NAME}/__init__.py", f"{NAME}/nodes"]
        environment = {**os.environ, "MYPYPATH": folder}
        return subprocess.run(command, cwd=folder, env=environment, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
