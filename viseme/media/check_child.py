"""The program in which media of others are read first. Run as a file, by its absolute path.

A pack of ComfyUI has no import name that another process could use, so this file loads the
package that it lies in itself, under that package's own name. It is started isolated (``-I``) and
gets from its parent, as its first line, where else modules are found: behind its own folders, so
that they can hide nothing of Python's.
"""

import importlib
import importlib.util
import json
import sys
from pathlib import Path


def _load_package() -> str:
    package = Path(__file__).absolute().parents[1]
    spec = importlib.util.spec_from_file_location(
        package.name, package / "__init__.py", submodule_search_locations=[str(package)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{package} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[package.name] = module
    spec.loader.exec_module(module)
    return package.name


def _main() -> None:
    folders = json.loads(sys.stdin.buffer.readline())
    sys.path += [folder for folder in folders if folder not in sys.path]
    work = importlib.import_module(f"{_load_package()}.media.check_work")
    work.serve()


if __name__ == "__main__":
    _main()
