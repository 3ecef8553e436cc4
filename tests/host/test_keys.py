"""Keys are set and cleared over HTTP by ComfyUI's own page, and are never in what comes back."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.host.client import Graph
from tests.host.hosting import Host, Installation

CANARY = "canary-id-8c1f:canary-secret-5e77"
OTHER_CANARY = "canary-other-2a90"
PARTS = (*(part.encode() for part in CANARY.split(":")), OTHER_CANARY.encode())
BY_SCRIPT = {"X-Viseme": "test"}
PATH = "/viseme/keys"


@pytest.fixture(scope="module")
def _open_host(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    base = tmp_path_factory.mktemp("keys")
    # With CORS on, ComfyUI leaves the check of who asks to the routes, and looks up no name.
    host = Host(
        installation,
        base,
        "--enable-cors-header",
        home=base / "home",
        environment={"RUNWARE_API_KEY": OTHER_CANARY},
    )
    yield host
    host.stop()


@pytest.fixture
def host(_open_host: Host) -> Host:
    """One without keys but Runware's, which is in its environment."""
    for vendor in ("fal", "aimlapi"):
        assert change(_open_host, vendor, None).status_code == 200
    return _open_host


def change(host: Host, vendor: str, key: object, **headers: str) -> httpx.Response:
    body = {"vendor": vendor, "key": key}
    return host.http.post(PATH, json=body, headers=headers or BY_SCRIPT)


def origins(answer: httpx.Response) -> dict[str, str | None]:
    assert answer.status_code == 200, answer.text
    vendors = answer.json()["vendors"]
    assert all(entry["is_set"] == (entry["origin"] is not None) for entry in vendors)
    return {entry["vendor"]: entry["origin"] for entry in vendors}


def error(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert not holds_a_canary(answer.content)
    found: dict[str, Any] = answer.json()["error"]
    assert found["text"]
    assert found["remedy"]
    return found


def holds_a_canary(data: bytes) -> bool:
    return any(part in data for part in PARTS)


FROM_ENVIRONMENT = {"runware": "environment RUNWARE_API_KEY"}


def test_a_key_is_set_replaced_and_cleared_and_only_its_place_is_told(host: Host) -> None:
    assert host.home is not None
    nothing = {"fal": None, "aimlapi": None, **FROM_ENVIRONMENT}
    assert origins(host.http.get(PATH)) == nothing
    kept = change(host, "fal", f"  {CANARY}\n")
    assert origins(kept) == {**nothing, "fal": "credentials.json"}
    assert json.loads((host.home / "credentials.json").read_text()) == {"fal": CANARY}
    assert (host.home / "credentials.json").stat().st_mode & 0o777 == 0o600
    assert origins(change(host, "fal", "another-id:another-secret"))["fal"] == "credentials.json"
    assert origins(host.http.get("/api" + PATH))["fal"] == "credentials.json"
    for answer in (kept, host.http.get(PATH)):
        assert answer.headers["Cache-Control"] == "no-store"
        assert not holds_a_canary(answer.content)
        assert str(host.base) not in answer.text
    assert origins(change(host, "fal", None)) == nothing
    assert json.loads((host.home / "credentials.json").read_text()) == {}


def test_the_page_names_vendors_as_their_users_do(host: Host) -> None:
    labels = [entry["label"] for entry in host.http.get(PATH).json()["vendors"]]
    assert labels == ["fal", "AI/ML API", "Runware"]


def test_a_key_of_the_environment_stays(host: Host) -> None:
    assert origins(change(host, "runware", None))["runware"] == "environment RUNWARE_API_KEY"


@pytest.mark.parametrize(
    "key", ["", "   ", "canary-secret-5e77 two", "canary-secret-5e77ü", "a\0b:c"]
)
def test_what_cannot_be_a_key_is_refused_unsaid(host: Host, key: str) -> None:
    said = error(change(host, "fal", key), 400)
    assert said["kind"] == "credentials"
    assert said["field"] == "key"
    assert "viseme login" not in said["text"]
    assert origins(host.http.get(PATH))["fal"] is None


def test_half_a_key_of_fal_is_told_apart(host: Host) -> None:
    assert "id:secret" in error(change(host, "fal", "canary-secret-5e77"), 400)["text"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"fal"',
        b'{"vendor": "fal"}',
        b'{"key": "canary-secret-5e77"}',
        b'{"vendor": "canary-secret-5e77", "key": null}',
        b'{"vendor": ["fal"], "key": null}',
        b'{"vendor": "fal", "key": 5}',
        b'{"vendor": "fal", "key": ["canary-secret-5e77"]}',
        b'{"vendor": "fal", "key": "a:b", "canary-secret-5e77": 1}',
        b"\xff\xfe",
        b"[" * 4000,
    ],
)
def test_what_is_not_understood_changes_nothing_and_is_not_repeated(
    host: Host, body: bytes
) -> None:
    change(host, "fal", CANARY)
    headers = {"Content-Type": "application/json", **BY_SCRIPT}
    error(host.http.post(PATH, content=body, headers=headers), 400)
    assert origins(host.http.get(PATH))["fal"] == "credentials.json"


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_forms_and_texts_are_refused(host: Host, kind: str | None) -> None:
    headers = dict(BY_SCRIPT) if kind is None else {"Content-Type": kind, **BY_SCRIPT}
    body = json.dumps({"vendor": "fal", "key": CANARY}).encode()
    said = error(host.http.post(PATH, content=body, headers=headers), 415)
    assert said["limit"] == "application/json"
    assert origins(host.http.get(PATH))["fal"] is None


def test_a_long_body_is_refused_whether_its_length_is_told_or_not(host: Host) -> None:
    body = json.dumps({"vendor": "fal", "key": "x:" + "y" * 5000}).encode()
    headers = {"Content-Type": "application/json", **BY_SCRIPT}
    assert error(host.http.post(PATH, content=body, headers=headers), 413)["limit"] == "4096"
    pieces = (body[start : start + 500] for start in range(0, len(body), 500))
    error(host.http.post(PATH, content=pieces, headers=headers), 413)
    assert origins(host.http.get(PATH))["fal"] is None


# Who asks. In each case: what a browser or program sends, and whether it may change a key.

HERE = "127.0.0.1"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Viseme": "test"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://behind.a.proxy.com"},
        {"Host": "localhost:8188", "Origin": "http://localhost:8188"},
        {"Host": "[::1]:8188", "Origin": "http://[::1]:8188"},
        {"Host": "192.168.1.5:8188", "Origin": "http://192.168.1.5:8188"},
        {"Host": "192.168.1.5", "Origin": "http://192.168.1.5:80"},
        {"Host": "studio:8188", "Origin": "http://studio:8188"},
        {"Host": "studio.local:8188", "Origin": "http://STUDIO.local:8188"},
        {"Host": "comfy.example.com:8188", "Origin": "http://comfy.example.com:8188"},
        {"Host": "comfy.studio.com", "Origin": "https://comfy.studio.com"},
        {
            "Host": "comfyui:8188",
            "X-Forwarded-Host": "comfy.studio.com, inner",
            "Origin": "https://comfy.studio.com",
        },
        {"Host": "comfy.studio.com:8188", "Origin": "http://comfy.studio.com:8188"},
    ],
    ids=str,
)
def test_the_page_may_set_keys_on_whatever_host_it_was_opened(
    host: Host, headers: dict[str, str]
) -> None:
    assert origins(change(host, "fal", CANARY, **headers))["fal"] == "credentials.json"


@pytest.mark.parametrize(
    "headers",
    [
        {"Accept": "*/*"},
        {"Origin": "null", "X-Viseme": "test"},
        {"Origin": "https://elsewhere.com", "X-Viseme": "test"},
        {"Origin": "http://127.0.0.1:1", "X-Viseme": "test"},
        {"Origin": "http://127.0.0.1:99999", "X-Viseme": "test"},
        {"Sec-Fetch-Site": "cross-site", "X-Viseme": "test"},
        {"Sec-Fetch-Site": "same-site", "X-Viseme": "test"},
        {"Sec-Fetch-Site": "", "X-Viseme": "test"},
        {"Host": "127.0.0.1:8188", "Origin": "http://localhost:8188"},
        {"Host": "comfy.studio.com", "Origin": "https://comfy.studio.com.elsewhere.com"},
    ],
    ids=str,
)
def test_no_other_page_may(host: Host, headers: dict[str, str]) -> None:
    said = error(change(host, "fal", CANARY, **headers), 403)
    assert str(host.base) not in said["text"]
    assert origins(host.http.get(PATH))["fal"] is None


@pytest.mark.parametrize("path", [PATH, "/viseme/jobs/left"])
def test_other_pages_are_not_even_told_what_is_set_or_left(host: Host, path: str) -> None:
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.com"}):
        error(host.http.get(path, headers=headers), 403)


def test_a_preflight_from_elsewhere_does_not_allow_our_header(host: Host) -> None:
    asked = {
        "Origin": "https://elsewhere.com",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-viseme",
    }
    answer = host.http.options(PATH, headers=asked)
    assert "x-viseme" not in answer.headers.get("Access-Control-Allow-Headers", "").lower()


def test_a_damaged_file_of_keys_is_told_and_kept(host: Host) -> None:
    assert host.home is not None
    file = host.home / "credentials.json"
    before = file.read_text()
    file.write_text(f'{{"fal": "{CANARY}"')
    try:
        assert "credentials.json" in error(host.http.get(PATH), 500)["text"]
        error(change(host, "aimlapi", OTHER_CANARY), 500)
        assert CANARY in file.read_text()
    finally:
        file.write_text(before)


def test_a_key_is_in_no_log_history_event_or_file_but_its_own(host: Host) -> None:
    change(host, "fal", CANARY)
    change(host, "aimlapi", f"{OTHER_CANARY} broken")
    graph = Graph()
    graph.add("HelperSleep", seconds=0)
    host.run(graph)
    for path in ("/history", "/settings", "/internal/logs", "/internal/logs/raw", PATH):
        assert not holds_a_canary(host.http.get(path).content), path
    assert not [event for event in host.events if holds_a_canary(str(event.data).encode())]
    assert not holds_a_canary(host.log().encode())
    found = [
        path.relative_to(host.base)
        for path in host.base.rglob("*")
        if path.is_file()
        and "custom_nodes" not in path.relative_to(host.base).parts
        and holds_a_canary(path.read_bytes())
    ]
    assert found == [Path("home/credentials.json")]


def test_a_body_that_does_not_end_is_given_up(host: Host) -> None:
    port = int(host.url.rpartition(":")[2])
    with socket.create_connection((HERE, port), timeout=20) as connection:
        connection.sendall(
            b"POST /viseme/keys HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Viseme: test\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 408")
