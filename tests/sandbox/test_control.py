"""The control address, the lock file and the life of the process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from viseme.sandbox import read_lock

Box = Any
NAMES = [
    *("fal.queue", "fal.run", "fal.rest", "fal.cdn", "fal.platform", "aimlapi", "runware"),
    *("fal.results", "aimlapi.results", "runware.results"),
]


def test_addresses_name_every_host_once(box: Box) -> None:
    document = box.ask("addresses")
    assert set(document) == {"sandbox_id", "time_scale", *NAMES}
    assert document["time_scale"] == 0
    urls = [document[name] for name in NAMES]
    assert len(set(urls)) == len(urls)
    assert all(url.startswith("http://127.0.0.1:") and not url.endswith("/") for url in urls)
    assert document["runware"].endswith("/v1")
    assert box.said == {"control": box.control} | document


def test_a_charge_is_booked_for_each_accepted_job(box: Box) -> None:
    before = time.time()
    fal = box.fal_submit().json()["request_id"]
    aiml = box.aiml_submit().json()["id"]
    task = box.inference()
    box.runware(task)
    charges = box.charges()
    assert [(c["vendor"], c["endpoint"], c["vendor_id"]) for c in charges] == [
        ("fal", "fal-ai/pixverse/lipsync", fal),
        ("aimlapi", "pixverse/lip-sync", aiml),
        ("runware", "pixverse:lipsync@1", task["taskUUID"]),
    ]
    assert [float(c["usd"]) > 0 for c in charges] == [True] * 3
    assert all(isinstance(c["usd"], str) for c in charges)
    assert float(charges[1]["usd"]) == 1
    assert all(before - 1 < c["time"] < time.time() + 1 for c in charges)
    assert set(charges[0]) == {"vendor", "endpoint", "vendor_id", "usd", "time"}


def test_requests_are_logged_oldest_first_without_the_control_calls(box: Box) -> None:
    url = box.fal_result_url()
    data = box.http.get(url).content
    box.http.get(box.urls["aimlapi"] + "/v2/logs")
    rows = box.requests()
    operations = [row["operation"] for row in rows]
    assert operations[0] == "submit"
    assert operations[-3:] == ["result", "download", "list"]
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    submit, download, listing = rows[0], rows[-2], rows[-1]
    assert submit["has_key"] and submit["status"] == 200 and submit["bytes_in"] > 20
    assert submit["path"] == "/fal-ai/pixverse/lipsync" and submit["method"] == "POST"
    assert not download["has_key"] and download["bytes_out"] == len(data)
    assert download["vendor"] == "fal" and listing["vendor"] == "aimlapi"
    assert listing["status"] == 401 and not listing["has_key"]
    fields = "time vendor operation method path status bytes_in bytes_out has_key"
    assert " ".join(submit) == fields


def test_reset_forgets_all_but_the_id_and_the_uploads(slow_box: Box) -> None:
    box = slow_box
    token = box.http.post(
        box.urls["fal.rest"] + "/storage/auth/token", json={}, headers=box.FAL
    ).json()
    upload = box.http.post(
        box.urls["fal.cdn"] + "/files/upload",
        content=b"kept",
        headers={"Authorization": f"Bearer {token['token']}"},
    ).json()["access_url"]
    url = box.fal_result_url()
    running = box.fal_submit().json()
    box.fault("no-credit")
    box.reset()
    assert box.charges() == [] and box.requests() == [] and box.ask("faults") == {"faults": []}
    assert box.http.get(running["status_url"], headers=box.FAL).status_code == 404
    assert box.http.get(url).status_code == 404
    assert box.http.get(upload).content == b"kept"
    assert box.ask("addresses")["sandbox_id"] == box.said["sandbox_id"]
    assert box.fal_submit().status_code == 200


def test_a_call_that_is_answered_after_a_reset_is_not_taken_for_a_later_one(slow_box: Box) -> None:
    box = slow_box
    box.reset()
    box.fault("answer-late", operation="list", seconds=0.6, count=1)
    with pytest.raises(httpx.TimeoutException):
        box.http.get(box.urls["aimlapi"] + "/v2/logs", timeout=0.2)
    box.reset()
    assert box.fal_submit().status_code == 200
    time.sleep(0.6)
    assert [row["operation"] for row in box.requests()] == ["submit"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "nonsense"},
        {},
        {"name": "stall", "count": 0},
        {"name": "stall", "count": 1, "probability": 0.5},
        {"name": "stall", "probability": 2},
        {"name": "stall", "operation": "dance"},
        {"name": "truncate", "vendor": "nobody"},
        {"name": "job-fails", "operation": "download"},
        {"name": "stall", "seconds": -1},
        {"name": "stall", "minutes": 1},
    ],
)
def test_a_fault_that_is_none_is_refused(box: Box, wrong: dict[str, Any]) -> None:
    answer = box.http.post(f"{box.control}/_sandbox/faults", json=wrong)
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == "faults"
    assert box.ask("faults") == {"faults": []}


def test_one_sandbox_a_home_and_where_it_is(start: Any, tmp_path: Path) -> None:
    box = start("--time-scale", "0")
    lock = tmp_path / "sandbox" / "sandbox.lock"
    assert json.loads(lock.read_text()) == {"pid": box.process.pid, "control": box.control}
    info = read_lock(tmp_path)
    assert info is not None and info.control == box.control
    second = run("--home", str(tmp_path))
    assert second.returncode == 1
    assert box.control in second.stderr and "Traceback" not in second.stderr
    box.kill()
    assert lock.exists() and read_lock(tmp_path) is None  # left by a dead process
    box.start()
    info = read_lock(tmp_path)
    assert info is not None and info.pid == box.process.pid
    assert box.stop(signal.SIGINT) == 0
    assert not lock.exists() and read_lock(tmp_path) is None


def test_faults_can_be_ended_while_jobs_and_charges_stay(box: Box) -> None:
    box.fault("503", operation="status")
    box.fal_submit()
    assert box.http.delete(f"{box.control}/_sandbox/faults").json() == {"faults": []}
    assert box.ask("faults") == {"faults": []}
    assert len(box.charges()) == 1


def test_the_requests_say_how_many_are_being_dealt_with(box: Box) -> None:
    assert box.ask("requests")["under_way"] == 0
    box.fault("stall", operation="list", seconds=0.4, count=1)
    address = box.urls["aimlapi"] + "/v2/billing"
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(box.http.get, address)
        while box.ask("requests")["under_way"] == 0:
            assert not slow.done()
        slow.result()
    while box.ask("requests")["under_way"]:
        time.sleep(0.01)


def test_faults_from_the_start_and_an_end_after_the_idle_time_and_all_jobs(start: Any) -> None:
    box = start(
        *("--time-scale", "0.05", "--no-render", "--idle-timeout", "0.2"),
        *("--fault", "429:1", "--fault", "no-credit:0.0"),
    )
    assert box.ask("faults")["faults"] == [
        {"name": "429", "count": 1},
        {"name": "no-credit", "probability": 0.0},
    ]
    assert box.fal_submit().status_code == 429
    assert box.fal_submit().status_code == 200
    submitted = time.monotonic()
    assert box.process.wait(timeout=20) == 0
    assert time.monotonic() - submitted >= 0.45


def test_what_it_cannot_do_is_one_line(box: Box, tmp_path: Path) -> None:
    port = box.control.rpartition(":")[2]
    taken = run("--port", port, "--home", str(tmp_path))
    assert taken.returncode == 1 and port in taken.stderr
    assert "Traceback" not in taken.stderr
    unknown = run("--fault", "x", "--home", str(tmp_path))
    assert unknown.returncode == 2 and "drop-before-accept" in unknown.stderr


def test_without_json_a_table_for_people_is_printed(tmp_path: Path) -> None:
    done = run("--home", str(tmp_path), "--idle-timeout", "0")
    assert done.returncode == 0
    assert "control" in done.stdout and "fal.queue" in done.stdout


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "viseme.sandbox", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=20)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_what_it_keeps_is_private(box: Box) -> None:
    assert (box.home / "sandbox").stat().st_mode & 0o777 == 0o700
