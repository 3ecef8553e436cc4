"""The parts of the report, in its order."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..bench import Bench
from ..report import Section
from . import (
    bodies,
    conform,
    decode,
    encode,
    exact,
    fixed,
    gaps,
    mutations,
    node,
    passing,
    scaling,
    sounds,
    stops,
    tensors,
)

PARTS: Mapping[str, Callable[[Bench], Section]] = {
    "encode": encode.measure,
    "decode": decode.measure,
    "mutations": mutations.measure,
    "passing": passing.measure,
    "conform": conform.measure,
    "tensors": tensors.measure,
    "bodies": bodies.measure,
    "sounds": sounds.measure,
    "exact": exact.measure,
    "gaps": gaps.measure,
    "stops": stops.measure,
    "fixed": fixed.measure,
    "node": node.measure,
    "scaling": scaling.measure,
}
