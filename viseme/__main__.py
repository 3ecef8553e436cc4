"""``python -m viseme``, and ``python <pack>/viseme`` where nothing is installed.

No relative import: when a folder or a file is run, it has no parent package.
"""

import sys
from pathlib import Path


def _find_package() -> None:
    """Make ``import viseme`` mean the package that this file is in, and nothing else of its folder.

    Python puts the folder that was run in front of its path, so that ``model`` or ``errors`` would
    be modules of their own; an isolated Python (``-I``, ``-P``) puts nothing there for a file.
    """
    package = Path(__file__).absolute().parent
    if sys.path and sys.path[0] and Path(sys.path[0]).resolve() == package.resolve():
        del sys.path[0]
    sys.path.insert(0, str(package.parent))


if __name__ == "__main__":
    if not __package__:  # with ``-m`` it is found already
        _find_package()
    from viseme.cli import main

    sys.exit(main())
