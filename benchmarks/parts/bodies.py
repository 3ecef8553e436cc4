"""Request bodies with a video in them: built, and sent to a server on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from blake3 import blake3

from ..bench import Bench
from ..children import LeanServer
from ..report import Section, mebibytes, ratio, spread
from .common import Taken, alone, side_by_side

_BUILT = {
    "ours": "**Viseme**, streamed",
    "checked": "**Viseme**, streamed, with the file's digest checked",
    "json": "httpx `json=`",
}
_POSTED = {
    "ours": "**Viseme**, streamed",
    "checked": "**Viseme**, streamed, with the file's digest checked",
    "json": "httpx `json=`",
    "ready": "httpx, the same bytes ready in memory",
    "raw": "httpx, the file's own bytes ready in memory",
}


def measure(bench: Bench) -> Section:
    section = Section("Request bodies")
    section.say(
        "A JSON document with a file as a data URI, random bytes on a disk in memory. Ours is read "
        "and encoded in pieces while it is sent; a job that is paid for also checks, on the way, "
        "that the file is still the one that was priced. Reading the file is part of all of them. "
        "Memory is the most that a fresh process held over what it held before, in MiB."
    )
    for megabytes in bench.plan.body_megabytes:
        bench.say(f"building bodies of {megabytes} MB")
        with _random_file(bench, megabytes) as (path, digest):
            _build(bench, section, megabytes, path, digest)
    bench.say(f"posting {bench.plan.posted_megabytes} MB")
    with _random_file(bench, bench.plan.posted_megabytes) as (path, digest), LeanServer() as server:
        _post(bench, section, path, digest, server.url)
    return section


@contextmanager
def _random_file(bench: Bench, megabytes: int) -> Iterator[tuple[Path, str]]:
    path = bench.folder / f"random-{megabytes}"
    data = np.random.default_rng(megabytes).bytes(megabytes * 1_000_000)
    path.write_bytes(data)
    try:
        yield path, blake3(data).hexdigest()
    finally:
        path.unlink()


def _build(bench: Bench, section: Section, megabytes: int, path: Path, digest: str) -> None:
    base = {"path": str(path), "digest": digest}
    jobs = {name: {**base, "method": name} for name in _BUILT}
    taken = side_by_side(bench, section, "build", jobs, bench.plan.body_rounds)
    for name, one in taken.items():
        one.memory = alone(bench, section, "build", name, jobs[name])
    section.say(f"### {megabytes} MB, built")
    json = taken["json"].seconds.middle if "json" in taken else None
    rows = []
    for name, one in taken.items():
        times = None if json is None else json / one.seconds.middle
        extra = one.extra_bytes
        rows.append([_BUILT[name], spread(one.seconds), ratio(times), mebibytes(extra)])
        if times is not None:
            section.figures[f"{megabytes}/{name}/times json"] = times
        if extra is not None:
            section.figures[f"{megabytes}/{name}/extra"] = extra
    head = ("way", "time, median [least - most]", "times as fast as `json=`", "extra memory")
    section.table(head, rows)
    tell_sameness(section, megabytes, taken)


def tell_sameness(section: Section, megabytes: int, taken: Mapping[str, Taken]) -> None:
    """Whether all bodies are those of ``json=``; nothing to compare with where it is not there."""
    if "json" not in taken:
        section.lacks(f"whether bodies of {megabytes} MB are the bytes of `json=`.")
        return
    bodies = {(one.last["body_bytes"], one.last["body_digest"]) for one in taken.values()}
    is_same = len(bodies) == 1
    section.figures[f"{megabytes}/is same"] = float(is_same)
    section.say("All are the same bytes." if is_same else "**The bodies are not the same bytes.**")


def _post(bench: Bench, section: Section, path: Path, digest: str, url: str) -> None:
    base = {"path": str(path), "digest": digest, "url": url}
    jobs = {name: {**base, "method": name} for name in _POSTED}
    taken = side_by_side(bench, section, "post", jobs, bench.plan.body_rounds)
    section.say(f"### {bench.plan.posted_megabytes} MB, sent to a server on this machine")
    limits = {"ready": "of the same bytes' time", "raw": "of the file's bytes' time"}
    rows = []
    for name, one in taken.items():
        took = one.seconds.middle
        of_limits = {
            limit: took / taken[limit].seconds.middle if limit in taken else None
            for limit in limits
        }
        rows.append([_POSTED[name], spread(one.seconds), *map(ratio, of_limits.values())])
        section.figures |= {
            f"post/{name}/of {limit}": times
            for limit, times in of_limits.items()
            if times is not None
        }
    section.say("As base64 a file's bytes are a third more, whoever sends them.")
    section.table(("way", "time, median [least - most]", *limits.values()), rows)
