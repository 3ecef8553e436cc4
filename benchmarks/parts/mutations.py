"""Each optimisation taken back once: what it is worth, and that the benchmark notices."""

from __future__ import annotations

from ..altered import KEYED_WINDOW, held_video, keyed_video, long_video
from ..bench import Bench
from ..child.work import Job
from ..children import Child, LeanServer
from ..inputs import synthetic_input
from ..measuring import Spread
from ..mutations import LEAST_SLOWER, MUTATIONS
from ..report import Section, spread
from .common import compare_rounds, in_turns

_CASE = "512"
_HEAD = (
    "taken back",
    "time without it, median [least - most]",
    "ours",
    "times slower, median [least - most] of rounds",
    "verdict",
)


def measure(bench: Bench) -> Section:
    section = Section("Optimisations, taken back")
    plan, clip = bench.plan, bench.input(_CASE)
    larger = synthetic_input(plan.mutation_case, bench.folder)
    section.say(
        "Of coding, decoding, converting, hashing, counting, cutting and fetching, each "
        "optimisation is taken back while something that needs it is done, in turns with ours. Of "
        "others the parts about them tell: that a file is read and hashed once (bytes, of a long "
        "clip through a node), that what checks media stays for the next file (fixed costs), that "
        "a body is read while it is sent (request bodies)."
    )
    section.say(
        f"- What is done: the {clip.width}x{clip.height} clip of {clip.frame_count} frames is "
        "encoded with our defaults, with medium and with veryfast, decoded and hashed, and its "
        "sound replaced; a part is cut from a file with many key pictures; "
        f"{plan.counted_seconds} s of a clip are counted; a file of "
        f"{plan.fetched_megabytes} MB is fetched from a server on this machine; a clip of "
        f"{larger.width}x{larger.height} and {larger.frame_count} frames, whose pictures are "
        "larger than a processor's cache, is decoded to nothing.",
        "- What is a step of that alone (convert-...): the first pictures of the larger clip are "
        "changed into floats, into bytes, and into what is coded, in one thread, and pictures that "
        "are held are written by the quickest coder. Of a whole encoding such a step is a few "
        "hundredths, and a machine whose speed drifts by more hides it.",
        f"- How often: in each of {plan.mutation_rounds} rounds, after a run that is not counted, "
        f"both take {plan.mutation_tries} turns, and the quickest of each counts: what else a "
        "machine does only adds.",
        "- Seen is what is slower in eight of nine rounds. An optimisation that is not seen has no "
        "right to its code.",
        "- Pictures that are coded, or decoded, beside those that are converted spare no "
        "computing. There the turn counts that made most use of the processors, and seen is what "
        "uses less of them in eight of nine rounds and takes more than "
        f"{LEAST_SLOWER - 1:.0%} longer in the median.",
    )
    why = bench.lacks_memory(int(clip.tensor_bytes * 1.1) + (512 << 20))
    if why:
        section.lacks(f"any of it, since {why}.")
        return section
    fed = {"source": clip.source, "path": str(bench.folder / "mutations.mp4")}
    held = held_video(clip, bench.folder)
    sounded = {"path": str(clip.video), "source": clip.source}
    counted = bench.folder / "counted.mp4"
    long_video(counted, clip.width, clip.height, plan.counted_seconds)
    cut = {"path": str(keyed_video(clip, bench.folder)), "window": KEYED_WINDOW}
    folder = {"folder": str(bench.folder)}
    drawn, coded = {"source": larger.source}, {"path": str(larger.video)}
    ways: list[tuple[str, str, Job]] = [
        ("encode", "encode", {"method": "ours", **fed}),
        ("encode-medium", "encode", {"method": "ours-medium", **fed}),
        ("encode-veryfast", "encode", {"method": "ours-veryfast", **fed}),
        ("decode", "decode", {"method": "ours", "path": str(clip.video)}),
        ("decode-checked", "decode", {"method": "ours-checked", **coded}),
        ("convert-bytes", "convert", {"method": "to-bytes", **drawn}),
        ("convert-alpha", "convert", {"method": "from-alpha", **drawn}),
        ("convert-to-code", "convert", {"method": "to-code", **drawn}),
        ("convert-rgb", "convert", {"method": "to-rgb", **coded}),
        ("convert-held", "convert", {"method": "held", "path": str(held), **folder}),
        ("replace", "pass", {"method": "replace", **sounded, **folder}),
        ("trim", "pass", {"method": "trim", **cut, **folder}),
        ("count", "pass", {"method": "count", "path": str(counted), **folder}),
        ("digest", "tensor", {"method": "digest", "source": clip.source}),
    ]
    with Child(bench.runtime) as child, LeanServer() as server:
        url = f"{server.url}/{plan.fetched_megabytes * 1_000_000}"
        ways.append(("fetch", "fetch", {"url": url, "path": str(bench.folder / "fetched")}))
        rows = [row for way in ways for row in _measure(bench, section, child, *way)]
    section.table(_HEAD, rows)
    return section


def _measure(
    bench: Bench, section: Section, child: Child, part: str, kind: str, ours: Job
) -> list[list[str]]:
    asked = bench.mutations or MUTATIONS
    names = [name for name, one in MUTATIONS.items() if part in one.parts and name in asked]
    tries = bench.plan.mutation_tries
    rounds = 1 + bench.plan.mutation_rounds * tries
    rows = []
    for name in names:
        bench.say(f"taking optimisations back: {part}: {name}")
        mutation = MUTATIONS[name]
        jobs = {"ours": ours, name: {**ours, "mutation": name}}
        runs = in_turns(bench, section, child, kind, jobs, rounds)
        if set(runs) != set(jobs):
            continue
        without, with_it = (
            runs[one].warm().least(tries, mutation.compared) for one in (name, "ours")
        )
        missed = compare_rounds(mutation, without, with_it)
        times = Spread.of(missed.times)
        told = f"{times.middle:.2f} [{times.least:.2f} - {times.most:.2f}]"
        pair = [spread(without.seconds), spread(with_it.seconds)]
        rows.append([f"{part}: {mutation.says}", *pair, told, missed.verdict])
        section.figures[f"{name}/seen in"] = missed.share
    return rows
