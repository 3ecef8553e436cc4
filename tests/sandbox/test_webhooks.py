"""Webhooks and uploads go to loopback only; anything else is recorded."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

Box = Any


class Receiver(BaseHTTPRequestHandler):
    got: list[tuple[str, str, bytes]]
    refusals: int

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        owner: Any = type(self)
        owner.got.append((self.command, self.path, body))
        refuse = owner.refusals > 0
        owner.refusals -= refuse
        self.send_response(500 if refuse else 200)
        self.end_headers()

    do_PUT = do_POST

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[tuple[str, Any]]:
    handler: Any = type("Handler", (Receiver,), {"got": [], "refusals": 0})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://localhost:{server.server_address[1]}", handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_fals_webhook_has_the_result_or_the_error(box: Box, receiver: Any) -> None:
    url, handler = receiver
    handler.refusals = 1  # the first delivery is tried again
    job = box.fal_submit(params={"fal_webhook": url + "/hook"}).json()
    box.wait_for(lambda: len(handler.got) == 2)
    payload = json.loads(handler.got[1][2])
    assert handler.got[0][:2] == ("POST", "/hook")
    assert payload["request_id"] == payload["gateway_request_id"] == job["request_id"]
    assert payload["status"] == "OK" and payload["error"] is None
    assert payload["payload"] == box.fal_finish(job).json()
    box.fal_submit({"video_url": 1}, params={"fal_webhook": url})
    box.wait_for(lambda: len(handler.got) == 3)
    failed = json.loads(handler.got[2][2])
    assert failed["status"] == "ERROR" and failed["payload"]["detail"]
    box.wait_for(lambda: [d["state"] for d in box.ask("deliveries")["deliveries"]][1:])
    assert box.ask("deliveries")["deliveries"][0]["attempts"] == 2


def test_runware_posts_each_result_flat_and_puts_the_file(box: Box, receiver: Any) -> None:
    url, handler = receiver
    task = box.inference(numberResults=2, webhookURL=url + "/w", uploadEndpoint=url + "/u")
    assert box.runware(task).status_code == 200
    box.wait_for(lambda: len(handler.got) == 4)
    posts = [json.loads(body) for method, _, body in handler.got if method == "POST"]
    puts = [body for method, path, body in handler.got if (method, path) == ("PUT", "/u")]
    items = box.runware_finish(task["taskUUID"])["data"]
    assert sorted(post["videoUUID"] for post in posts) == sorted(i["videoUUID"] for i in items)
    assert sorted(puts) == sorted(box.http.get(item["videoURL"]).content for item in items)


@pytest.mark.parametrize(
    "url", ["https://example.com/h", "http://10.0.0.1/h", "http://127.1.evil/"]
)
def test_other_addresses_are_only_recorded(box: Box, url: str) -> None:
    job = box.fal_submit(params={"fal_webhook": url}).json()
    box.fal_finish(job)
    box.wait_for(lambda: box.ask("deliveries")["deliveries"])
    (delivery,) = box.ask("deliveries")["deliveries"]
    assert delivery["state"] == "recorded" and delivery["attempts"] == 0
    assert delivery["url"] == url and delivery["payload"]["status"] == "OK"
