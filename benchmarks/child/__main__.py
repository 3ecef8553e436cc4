"""``python -m benchmarks.child``: jobs as lines of JSON on stdin, what was measured on stdout.

A job has ``kind``, what that kind needs, ``memory`` and ``mutation``. The answer has ``error``
where it failed.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any

from ..mutations import MUTATIONS
from .measure import measured
from .work import prepare


def main() -> None:
    # What libraries print must not stand between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        job: dict[str, Any] = json.loads(line)
        try:
            answer = _answer(job)
        except Exception:  # noqa: BLE001  # whatever it is, the one who asked has to hear of it
            answer = {"error": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _answer(job: dict[str, Any]) -> dict[str, Any]:
    mutation, memory = job.get("mutation"), bool(job.get("memory"))
    if mutation is None:
        return measured(prepare(job), memory=memory)
    with MUTATIONS[mutation].applied() as reached:
        found = measured(prepare(job), memory=memory)
        if not reached():
            raise LookupError(f"{job['kind']} never came upon {mutation}")
    return found


if __name__ == "__main__":
    main()
