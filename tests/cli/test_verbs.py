"""Every other verb; one JSON document on stdout whatever happens; a home that is broken."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pydantic
import pytest

# What the fixtures give; their classes are in tests/conftest.py.
Box = Any
Command = Any
Media = Any
Wish = Callable[..., tuple[object, ...]]

IDS = {"fal-pixverse", "fal-sync", "fal-pipio", "aimlapi-pixverse", "runware-pixverse"}


@pytest.fixture
def wish(sandbox: Box, clip: Path, speech: Path) -> Wish:
    def words(endpoint: str = "fal-sync", *more: object) -> tuple[object, ...]:
        media = ("--video", clip, "--audio", speech)
        return ("run", endpoint, *media, "--sandbox", sandbox.control, *more)

    return words


# endpoints


def test_endpoints_lists_all_five_with_their_schemas_and_assumptions(quick: Command) -> None:
    ended = quick("endpoints", "--json")
    assert ended.code == 0
    found = ended.document["endpoints"]
    assert {entry["id"] for entry in found} == IDS
    for entry in found:
        assert entry["model"] and entry["vendor"]
        schema = entry["arguments"]
        assert schema["type"] == "object"
        for name, field in schema["properties"].items():
            assert field.get("description") or "$ref" in str(field), (entry["id"], name)
        for assumed in entry["assumed"]:
            assert assumed["name"] and assumed["meaning"]
    plain = quick("endpoints")
    assert all(name in plain.out for name in IDS)


@pytest.mark.parametrize("endpoint", sorted(IDS))
def test_every_schema_accepts_its_own_defaults(quick: Command, endpoint: str) -> None:
    schema = quick("endpoints", endpoint, "--json").document["endpoints"][0]["arguments"]
    kinds: dict[str, Any] = {
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "array": list,
    }
    for name, field in schema["properties"].items():
        default = field.get("default")
        allowed = [part.get("type") for part in field.get("anyOf", [field])]
        if default is None or None in allowed:
            continue
        assert any(isinstance(default, kinds[kind]) for kind in allowed if kind in kinds), name
    refs = json.dumps(schema).count("#/$defs/")
    assert refs == 0 or schema["$defs"]


def test_one_endpoint_names_every_argument_and_what_is_assumed(quick: Command) -> None:
    said = quick("endpoints", "runware-pixverse").out
    for name in ("inputs.referenceVideos", "speech.text", "safety.mode", "numberResults", "ttl"):
        assert name in said
    assert "pixverse_length" in said
    assert quick("endpoints", "nonsense", "--json").error["remedy"]


# quote


def test_a_quote_for_pixverse_lists_three_vendors(quick: Command, clip: Path, speech: Path) -> None:
    media = ("--video", clip, "--audio", speech)
    ended = quick("quote", "fal-pixverse", *media, "--json")
    assert ended.code == 0, ended
    by_id = {entry["endpoint"]: entry for entry in ended.document["quotes"]}
    assert set(by_id) == {"fal-pixverse", "aimlapi-pixverse", "runware-pixverse"}
    for name in ("fal-pixverse", "runware-pixverse"):
        assert float(by_id[name]["least_usd"]) > 0
        assert isinstance(by_id[name]["most_usd"], str)
        assert by_id[name]["basis"]
        assert by_id[name]["unknown_reason"] is None
    unknown = by_id["aimlapi-pixverse"]
    assert unknown["least_usd"] is unknown["most_usd"] is None
    assert "no price" in unknown["unknown_reason"]
    plain = quick("quote", "fal-pixverse", *media)
    assert "unknown" in plain.out and "$" in plain.out
    assert quick.states() == []


@pytest.mark.parametrize("endpoint", sorted(IDS))
def test_a_quote_can_be_had_from_every_endpoint(
    quick: Command, clip: Path, speech: Path, endpoint: str
) -> None:
    ended = quick("quote", endpoint, "--video", clip, "--audio", speech, "--json")
    assert ended.code == 0, ended
    assert endpoint in [entry["endpoint"] for entry in ended.document["quotes"]]


def test_a_quote_of_several_results_and_of_text(quick: Command, clip: Path) -> None:
    text = ("--video", clip, "--text", "Hello there.")
    one = quick("quote", "runware-pixverse", *text, "--json").document["quotes"]
    four = quick("quote", "runware-pixverse", *text, "--set", "numberResults=4", "--json")
    price = {entry["endpoint"]: entry["most_usd"] for entry in one}
    fourfold = {entry["endpoint"]: entry["most_usd"] for entry in four.document["quotes"]}
    assert float(fourfold["runware-pixverse"]) == pytest.approx(
        4 * float(price["runware-pixverse"])
    )


# jobs, show, check, spend


def test_jobs_and_show_tell_what_was_bought(quick: Command, sandbox: Box, wish: Wish) -> None:
    assert quick("jobs").out == "There are no jobs yet.\n"
    assert quick("jobs", "--json").document == {"jobs": []}
    assert quick(*wish()).code == 0
    assert quick(*wish("runware-pixverse")).code == 0
    listed = quick("jobs", "--json").document["jobs"]
    assert [job["endpoint"] for job in listed] == ["runware-pixverse", "fal-sync"]
    needed = ("id", "state", "vendor", "destination", "vendor_ids", "quote", "cost_usd")
    for job in listed:
        assert all(name in job for name in needed)
        assert job["state"] == "FETCHED"
    assert len(quick("jobs", "--limit", 1, "--json").document["jobs"]) == 1
    shown = quick("show", listed[0]["id"], "--json").document
    assert shown["id"] == listed[0]["id"]
    assert shown["cost_usd"] == listed[0]["cost_usd"]
    tail = listed[0]["id"].partition("-")[2]
    assert quick("show", tail, "--json").document["id"] == listed[0]["id"]
    assert listed[0]["id"] in quick("show", tail).out
    assert listed[0]["id"] in quick("jobs").out
    assert quick("check", tail, "--json").document["state"] == "FETCHED"


@pytest.mark.parametrize("verb", ["show", "check", "resume", "cancel", "resubmit", "discard"])
def test_a_job_that_does_not_exist_is_bad_input(quick: Command, verb: str) -> None:
    ended = quick(verb, "20260101-nobody", "--json")
    assert ended.code == 2
    assert ended.error["field"] == "job"
    assert ended.error["value"] == "20260101-nobody"
    assert "viseme jobs" in ended.error["remedy"] or "jobs" in ended.error["remedy"]


def test_check_asks_the_vendor_once_and_leaves_a_held_job_to_its_command(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    sandbox.fault("slow-queue", seconds=60, count=1)
    running = quick.start(*wish())
    sandbox.await_call("status")
    beside = quick("check", quick.job_id(), "--json")
    assert beside.document["state"] == "ACCEPTED"
    running.kill()
    calls = len(sandbox.calls())
    alone = quick("check", quick.job_id(), "--json")
    assert alone.document["state"] == "ACCEPTED"
    assert len(sandbox.calls()) == calls + 1


def test_spend_adds_up_by_vendor_and_destination(quick: Command, sandbox: Box, wish: Wish) -> None:
    assert quick("spend").out == "Nothing was spent.\n"
    for take in (1, 2):
        assert quick(*wish("runware-pixverse", "--take", take)).code == 0
    assert quick(*wish("fal-sync")).code == 0
    rows = {row["endpoint"]: row for row in quick("spend", "--json").document["spend"]}
    assert rows["runware-pixverse"]["jobs"] == 2
    booked = sum(float(c["usd"]) for c in sandbox.charges() if c["vendor"] == "runware")
    assert float(rows["runware-pixverse"]["most_usd"]) == pytest.approx(booked)
    assert float(rows["fal-sync"]["least_usd"]) < float(rows["fal-sync"]["most_usd"])
    assert "runware-pixverse" in quick("spend").out
    assert quick("spend", "--since", "2999-01-01", "--json").document == {"spend": []}
    assert quick("spend", "--since", "2020-01-01", "--json").document["spend"]
    wrong = quick("spend", "--since", "yesterday", "--json")
    assert wrong.code == 2
    assert wrong.error["field"] == "--since"


# doctor, login, logout


def test_doctor_tells_versions_settings_and_where_keys_are_from_and_writes_nothing(
    quick: Command,
) -> None:
    ended = quick("doctor", "--json")
    assert ended.code == 0
    said = ended.document
    assert said["viseme"] and said["python"]
    assert said["packages"]["av"] and said["codecs"]["libx264"] == "yes"
    assert said["home"]["path"] == str(quick.home)
    assert said["keys"] == {"fal": "not set", "aimlapi": "not set", "runware": "not set"}
    assert said["ledger"]["state"] == "none yet"
    assert not quick.home.exists()
    quick.environment["FAL_KEY"] = "an-id:a-secret"
    quick.settings(max_usd_per_job="1.50")
    later = quick("doctor", "--json")
    assert "FAL_KEY" in later.document["keys"]["fal"] or "environment" in later.out
    assert "a-secret" not in later.out
    assert later.document["settings"]["max_usd_per_job"] == {"value": "1.50", "origin": "file"}
    assert "max_usd_per_job" in quick("doctor").out


def test_doctor_shows_what_is_broken_instead_of_failing(quick: Command) -> None:
    quick.home.mkdir()
    (quick.home / "settings.json").write_text("{not json")
    (quick.home / "ledger.sqlite3").write_text("no database " * 100)
    ended = quick("doctor", "--json")
    assert ended.code == 0, ended
    assert "settings.json" in str(ended.document["settings"])
    assert ended.document["ledger"]["state"] != "sound"


def test_an_empty_key_is_refused(quick: Command) -> None:
    ended = quick.start("login", "fal", "--json", stdin="   \n").ended()
    assert ended.code == 2, ended
    assert ended.error["field"] == "key"
    assert ended.error["remedy"]
    assert quick("logout", "fal", "--json").document == {
        "vendor": "fal",
        "removed": [],
        "is_set": False,
    }


# edits apply


def test_edits_apply_cuts_frames_and_sound_for_nothing(
    quick: Command, media: Media, tmp_path: Path
) -> None:
    clip = media.clip("clip.mp4", frames=14, rate=25)
    speech = media.speech(seconds=0.56)
    edits = tmp_path / "edits.json"
    edits.write_text(
        '{"unit": "frames", "removals": [{"from": 2, "to": 5}],'
        ' "additions": [{"at": 8, "duration": 2}]}'
    )
    out = tmp_path / "cut.mp4"
    command = ("edits", "apply", edits, "--video", clip, "--audio", speech, "-o", out)
    ended = quick(*command)
    assert ended.code == 0, ended
    assert "13 frames of 14" in ended.out
    with av.open(str(out)) as container:
        greys = [frame.to_ndarray(format="rgb24").mean() for frame in container.decode(video=0)]
    numbers = [round((grey - 20) / 16) for grey in greys]
    assert numbers == [0, 1, 5, 6, 7, 7, 7, 8, 9, 10, 11, 12, 13]
    with av.open(str(out)) as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))
    assert abs(samples - 13 * 640) <= 1024
    assert quick.states() == []


def test_edits_apply_takes_the_clips_own_sound_and_refuses_what_is_wrong(
    quick: Command, media: Media, tmp_path: Path, clip: Path
) -> None:
    sounding = media.clip("sounding.mp4", frames=25, sound_seconds=1.0)
    edits = tmp_path / "edits.json"
    edits.write_text('{"unit": "seconds", "removals": [{"from": 0.2, "to": 0.4}]}')
    out = tmp_path / "cut.mp4"
    assert quick("edits", "apply", edits, "--video", sounding, "-o", out).code == 0
    with av.open(str(out)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 20
    with av.open(str(out)) as container:
        level = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
    assert np.abs(level).max() > 0.1
    apply = ("edits", "apply", edits, "--video")
    for wrong in (
        quick(*apply, media.still(), "-o", out, "--json"),
        quick(*apply, sounding, "-o", tmp_path / "cut.webm", "--json"),
        quick(*apply, sounding, "-o", sounding, "--json"),
        quick(*apply, tmp_path / "gone.mp4", "-o", out, "--json"),
        quick(*apply, sounding, "--audio", clip, "-o", out, "--json"),
    ):
        assert wrong.code == 2, wrong
        assert wrong.error["field"]
    shown = quick(*apply, sounding, "-o", out, "--json")
    assert shown.code == 0, shown
    assert shown.document["frames"] == 20


@pytest.mark.parametrize("limit", [{"max_seconds": 2}, {"max_frames": 50}])
def test_a_cut_is_as_long_as_settings_allow_and_no_longer(
    quick: Command, media: Media, tmp_path: Path, limit: dict[str, int]
) -> None:
    clip = media.clip("clip.mp4", frames=25, rate=25, sound_seconds=1.0)
    edits = tmp_path / "edits.json"
    edits.write_text('{"unit": "frames", "additions": [{"at": 8, "duration": 30}]}')
    command = ("edits", "apply", edits, "--video", clip, "-o", tmp_path / "cut.mp4", "--json")
    quick.settings(media_limits=limit)
    refused = quick(*command)
    assert refused.code == 2, refused
    [(name, most)] = limit.items()
    assert refused.error["field"] == "edits"
    assert refused.error["limit"].startswith(f"{most} ")
    assert name in refused.error["remedy"]
    quick.settings(media_limits={name: 2 * most})
    assert quick(*command).document["frames"] == 55


def test_a_cut_needs_no_ledger(quick: Command, media: Media, tmp_path: Path) -> None:
    quick.settings()
    (quick.home / "ledger.sqlite3").write_bytes(b"no database")
    edits = tmp_path / "edits.json"
    edits.write_text('{"unit": "frames", "removals": [{"from": 2, "to": 5}]}')
    clip = media.clip("clip.mp4", frames=14, rate=25)
    out = tmp_path / "cut.mp4"
    assert quick("edits", "apply", edits, "--video", clip, "-o", out).code == 0


# sandbox and demo


def test_the_sandbox_verb_listens_where_it_was_told_and_prints_its_addresses(
    viseme: Command,
) -> None:
    running = viseme.start("sandbox", "--json", "--time-scale", "0.5", "--no-render")
    line = running.process.stdout.readline()
    said = json.loads(line)
    assert said["time_scale"] == 0.5
    assert said["control"].startswith("http://127.0.0.1:")
    assert {"fal.queue", "aimlapi", "runware", "sandbox_id"} <= set(said)
    second = viseme("sandbox", "--json")
    assert second.code == 1
    assert second.error["kind"] == "local"
    running.signal(signal.SIGTERM)
    assert running.ended().code in (0, 130)


@pytest.mark.parametrize(
    "option", [("--fault", "nonsense"), ("--fault", "500:x"), ("--time-scale", "fast")]
)
def test_a_sandbox_with_a_wrong_option_is_bad_input(
    quick: Command, option: tuple[str, str]
) -> None:
    ended = quick("sandbox", *option, "--json")
    assert ended.code == 2, ended
    assert ended.error["message"]


def test_the_demo_runs_on_the_given_files_and_says_that_nothing_was_spent(
    quick: Command, sandbox: Box, clip: Path, speech: Path, tmp_path: Path
) -> None:
    quick.environment["VISEME_SANDBOX"] = sandbox.control
    out = tmp_path / "demo.mp4"
    ended = quick("demo", "--video", clip, "--audio", speech, "-o", out)
    assert ended.code == 0, ended
    assert out.exists()
    assert "nothing was spent" in ended.out
    said = quick("demo", "--video", clip, "--audio", speech, "-o", out, "--json")
    assert said.document["reused"] is True


# --json


def test_with_json_stdout_is_one_document_in_success_and_failure(
    quick: Command, sandbox: Box, wish: Wish, clip: Path, speech: Path
) -> None:
    media = ("--video", clip, "--audio", speech)
    assert quick(*wish("fal-sync", "--json")).document["state"] == "FETCHED"
    job = quick.job_id()
    for arguments in (
        ("quote", "fal-sync", *media),
        ("endpoints",),
        ("jobs",),
        ("spend",),
        ("doctor",),
        ("show", job),
        ("check", job),
        ("resume", job),
        ("logout", "fal"),
        ("cancel", job),
        ("discard", job),
        ("resubmit", job),
        ("show", "nobody"),
        ("quote", "fal-sync"),
        ("endpoints", "nobody"),
        ("spend", "--since", "x"),
        ("edits", "apply", "gone.json", "--video", "gone.mp4", "-o", "x.mp4"),
        ("run", "nobody"),
        ("demo", "--video", "gone.mp4"),
    ):
        ended = quick(*arguments, "--json")
        document = ended.document  # raises where it is none, or more than one
        assert ("error" in document and "kind" in dict(document["error"] or {})) == (
            ended.code != 0
        ), arguments


def test_errors_in_json_have_all_their_parts(quick: Command) -> None:
    error = quick("show", "nobody", "--json").error
    assert {"kind", "field", "value", "limit", "remedy", "job_id"} <= set(error)


# A home that is broken


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{not json", None),
        ("[]", None),
        ('{"max_usd_per_jobb": "1"}', "max_usd_per_jobb"),
        ('{"max_usd_per_job": "much"}', "max_usd_per_job"),
        ('{"max_usd_per_job": -1}', "max_usd_per_job"),
        ('{"lease_seconds": 1}', "lease_seconds"),
        ('{"base_urls": {"fal.queue": "ftp://x"}}', "base_urls"),
        ('{"max_usd_per_vendor_day": {"fall": "1"}}', "max_usd_per_vendor_day"),
    ],
)
def test_a_mistake_in_the_settings_ends_before_anything_else(
    quick: Command, sandbox: Box, wish: Wish, text: str, field: str | None
) -> None:
    quick.home.mkdir()
    (quick.home / "settings.json").write_text(text)
    ended = quick(*wish("fal-sync", "--json"))
    assert ended.code == 2, ended
    assert "settings.json" in str(ended.error)
    if field is not None:
        assert field in ended.error["field"]
    assert ended.error["remedy"] or ended.error["limit"]
    assert sandbox.calls() == []


def test_an_assumed_value_that_is_no_option_is_bad_input(
    quick: Command, sandbox: Box, wish: Wish
) -> None:
    quick.settings(assumed={"pixverse_length": "sometimes"})
    ended = quick(*wish("fal-pixverse", "--json"))
    assert ended.code == 2, ended
    assert "pixverse_length" in str(ended.error)
    assert sandbox.calls() == []


@pytest.mark.parametrize("folder", ["/proc/viseme", "/dev/null/viseme", "FILE"])
def test_a_home_that_cannot_be_written_is_told_before_anything_is_sent(
    quick: Command, sandbox: Box, wish: Wish, tmp_path: Path, folder: str
) -> None:
    if folder == "FILE":
        folder = str(tmp_path / "file")
        Path(folder).write_text("in the way")
    ended = quick(*wish("fal-sync", "--json", "--home", folder))
    assert ended.code in (1, 2), ended
    assert folder in ended.error["message"]
    assert "--home" in ended.error["remedy"]
    assert "Traceback" not in ended.err
    assert sandbox.calls() == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_of_somebody_else_is_told(quick: Command, sandbox: Box, wish: Wish) -> None:
    quick.home.mkdir(mode=0o500)
    ended = quick(*wish("fal-sync", "--json"))
    assert ended.code == 1, ended
    assert sandbox.calls() == []


@pytest.mark.parametrize("breakage", ["garbage", "truncated", "folder", "future", "other"])
def test_with_a_broken_ledger_nothing_is_submitted(
    quick: Command, sandbox: Box, wish: Wish, breakage: str
) -> None:
    ledger = quick.home / "ledger.sqlite3"
    if breakage in ("truncated", "future"):
        assert quick(*wish()).code == 0
    else:
        quick.home.mkdir()
    if breakage == "garbage":
        ledger.write_bytes(b"this is no database" * 1000)
    elif breakage == "truncated":
        ledger.write_bytes(ledger.read_bytes()[:5000])
    elif breakage == "folder":
        ledger.mkdir()
    elif breakage == "future":
        connection = sqlite3.connect(ledger)
        connection.execute("UPDATE schema_version SET version = 999")
        connection.commit()
        connection.close()
    else:
        connection = sqlite3.connect(ledger)
        connection.execute("CREATE TABLE jobs (something TEXT)")
        connection.commit()
        connection.close()
    calls = len(sandbox.calls())
    ended = quick(*wish("fal-sync", "--take", 9, "--json"))
    assert ended.code == 1, ended
    assert ended.error["kind"] == "ledger"
    assert str(ledger) in str(ended.error)
    assert ended.error["remedy"]
    assert "Traceback" not in ended.err
    assert "A mistake in Viseme" not in ended.err
    assert len(sandbox.calls()) == calls


def test_money_is_text_in_every_document(quick: Command, sandbox: Box, wish: Wish) -> None:
    said = quick(*wish("runware-pixverse", "--json")).document
    assert isinstance(said["cost_usd"], str)
    assert isinstance(said["quote"]["most_usd"], str)
    assert pydantic.TypeAdapter(str).validate_python(said["cost_usd"])
