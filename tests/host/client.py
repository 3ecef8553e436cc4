"""What a test says to a running ComfyUI and what it hears: prompts, history, events."""

from __future__ import annotations

import asyncio
import json
import os
import struct
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx

from viseme.samples import sample_clip_path, sample_speech_path

if TYPE_CHECKING:
    from tests.conftest import Command
    from tests.host.hosting import ModalSandbox

PROGRESS_TEXT = 3  # the binary event that carries a line of text for a node
JSON = dict[str, Any]
LIP_SYNCS = ("VisemePixverseLipSync", "VisemeSyncLipSync2Pro", "VisemePipioLipSync")
# How often a storm repeats; by hand, VISEME_REPEATS=20.
REPEATS = int(os.environ.get("VISEME_REPEATS", "2"))
# How long anything is waited for: never a promise, only the end of a test that would hang.
PATIENCE_SECONDS = 180.0
# How long a vendor holds something up that a test does not wait for: longer than anybody waits.
FOREVER_SECONDS = 3600.0


def until(happened: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """Ask again and again until the answer is true; that answer."""
    end = time.monotonic() + seconds
    while not (answer := happened()):
        assert time.monotonic() < end, f"{what} did not happen within {seconds} s"
        time.sleep(0.02)
    return answer


class Graph:
    """A prompt in the making: ``add`` gives a node, ``node[0]`` a link to its first output."""

    def __init__(self) -> None:
        self.prompt: dict[str, JSON] = {}

    def add(self, class_type: str, /, **inputs: Any) -> Node:
        """Inputs whose names have dots go into a dict: ``**{"speech.text": "Hello"}``."""
        node = Node(str(len(self.prompt) + 1), self.prompt)
        self.prompt[node.id] = {"class_type": class_type, "inputs": inputs}
        return node

    def save(self, video: list[Any], prefix: str = "video/viseme") -> Node:
        return self.add(
            "SaveVideo",
            video=video,
            filename_prefix=prefix,
            format="auto",
            **{"format.codec": "auto", "codec": "auto"},
        )

    def record(self, value: list[Any]) -> Node:
        return self.add("HelperRecord", value=value)


@dataclass(frozen=True)
class Node:
    id: str
    _prompt: dict[str, JSON]

    def __getitem__(self, output: int) -> list[Any]:
        return [self.id, output]

    @property
    def inputs(self) -> JSON:
        inputs: JSON = self._prompt[self.id]["inputs"]
        return inputs


class SampleGraph(Graph):
    """A graph that begins with the sample clip and its speech."""

    def __init__(self, take: int) -> None:
        super().__init__()
        self.take = take
        self.clip = self.add("VisemeSampleClip")

    def lip_sync(self, class_type: str = "VisemeSyncLipSync2Pro", **inputs: Any) -> Node:
        """A lip-sync node on them; inputs named here come on top."""
        given = {"media": self.clip[0], "audio": self.clip[1], "take": self.take, **inputs}
        return self.add(class_type, **given)


class Refused(AssertionError):
    """ComfyUI did not take a prompt. ``texts`` has every word of why."""

    def __init__(self, document: JSON) -> None:
        super().__init__(json.dumps(document, indent=1))
        self.error: JSON = document.get("error") or {}
        self.node_errors: dict[str, JSON] = document.get("node_errors") or {}

    @property
    def texts(self) -> str:
        """The messages and details, those of the nodes too."""
        said = [self.error.get("message", ""), self.error.get("details", "")]
        for node in self.node_errors.values():
            for error in node["errors"]:
                said += [error["message"], error["details"]]
        return "\n".join(said)


@dataclass(frozen=True)
class Event:
    """Something that was sent to the page. ``time`` is UNIX seconds, as the sandbox has them."""

    time: float
    type: str
    data: JSON


class Entry:
    """What the history keeps of one prompt."""

    def __init__(self, prompt_id: str, document: JSON) -> None:
        self.prompt_id = prompt_id
        self.document = document
        self.status: str = document["status"]["status_str"]
        self.outputs: JSON = document["outputs"]
        self.messages: list[tuple[str, JSON]] = [
            (name, data) for name, data in document["status"]["messages"]
        ]

    def __repr__(self) -> str:
        names = ", ".join(name for name, _ in self.messages)
        return f"<{self.prompt_id} {self.status}: {names}> {self.error}"

    def message(self, name: str) -> JSON | None:
        return next((data for said, data in self.messages if said == name), None)

    @property
    def is_success(self) -> bool:
        return self.status == "success"

    @property
    def was_interrupted(self) -> bool:
        return self.message("execution_interrupted") is not None

    @property
    def error(self) -> str:
        """The text of the node error that ended it; empty where there is none."""
        found = self.message("execution_error")
        return "" if found is None else str(found["exception_message"])

    @property
    def failed_node(self) -> str | None:
        found = self.message("execution_error")
        return None if found is None else str(found["node_id"])

    @property
    def cached(self) -> frozenset[str]:
        """The nodes that were not executed, since nothing of theirs had changed."""
        found = self.message("execution_cached")
        return frozenset(found["nodes"] if found else ())

    @property
    def seconds(self) -> float:
        started = self.message("execution_start")
        assert started is not None, self
        return float(self.messages[-1][1]["timestamp"] - started["timestamp"]) / 1000

    def facts(self, node: Node) -> list[JSON]:
        """What a ``HelperRecord`` was given."""
        found: list[JSON] = json.loads(self.outputs[node.id]["text"][0])
        return found

    def receipt(self, node: Node) -> JSON:
        """The one receipt that a ``HelperRecord`` was given."""
        [fact] = self.facts(node)
        found: JSON = json.loads(fact["value"])
        return found

    def file(self, node: Node) -> JSON:
        """The one file that a node shows: ``filename``, ``subfolder`` and ``type``."""
        [found] = self.outputs[node.id].get("images") or self.outputs[node.id]["gifs"]
        return dict(found)


class Listener:
    """The websocket of a page, in a thread of its own; keeps every event."""

    def __init__(self, url: str, client_id: str) -> None:
        self.events: list[Event] = []
        self._url = f"{url.replace('http', 'ws', 1)}/ws?clientId={client_id}"
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(PATIENCE_SECONDS), "ComfyUI did not take a websocket"

    def _run(self) -> None:
        self._task = self._loop.create_task(self._listen())
        try:
            self._loop.run_until_complete(self._task)
        except (asyncio.CancelledError, aiohttp.ClientError):
            pass  # closed by us, or ComfyUI has ended
        finally:
            self._loop.close()

    async def _listen(self) -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(self._url, max_msg_size=0) as socket,
        ):
            self._ready.set()
            async for message in socket:
                if message.type == aiohttp.WSMsgType.TEXT:
                    said = json.loads(message.data)
                    self.events.append(Event(time.time(), said["type"], said.get("data") or {}))
                elif message.type == aiohttp.WSMsgType.BINARY:
                    self._binary(message.data)

    def _binary(self, data: bytes) -> None:
        kind, length = struct.unpack(">II", data[:8])
        if kind == PROGRESS_TEXT:
            said = {"node": data[8 : 8 + length].decode(), "text": data[8 + length :].decode()}
            self.events.append(Event(time.time(), "progress_text", said))

    def close(self) -> None:
        if self._task is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(5)


class Client:
    """One page's or program's end of a ComfyUI."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client_id = uuid.uuid4().hex
        self.http = httpx.Client(base_url=url, timeout=60, trust_env=False)
        self._listener = Listener(url, self.client_id)

    def close(self) -> None:
        self._listener.close()
        self.http.close()

    # Prompts

    def post(self, graph: Graph, **more: Any) -> str:
        """Queue a graph; its prompt id. Raises ``Refused`` where any node of it is refused."""
        body = {"prompt": graph.prompt, "client_id": self.client_id, **more}
        answer = self.http.post("/prompt", json=body)
        document = answer.json()
        if answer.status_code != 200 or document.get("node_errors"):
            raise Refused(document)
        return str(document["prompt_id"])

    def wait(self, prompt_id: str, seconds: float = PATIENCE_SECONDS) -> Entry:
        """Its entry of the history, once it has ended."""

        def entry() -> JSON | None:
            found: JSON = self.http.get(f"/history/{prompt_id}").json()
            return found.get(prompt_id)

        document = until(entry, f"the end of prompt {prompt_id}", seconds)
        return Entry(prompt_id, document)

    def execute(self, graph: Graph, seconds: float = PATIENCE_SECONDS) -> Entry:
        """Run a graph to whatever end."""
        return self.wait(self.post(graph), seconds)

    def run(self, graph: Graph, seconds: float = PATIENCE_SECONDS) -> Entry:
        """Run a graph, which must end well."""
        entry = self.execute(graph, seconds)
        assert entry.is_success, entry
        return entry

    def interrupt(self) -> None:
        assert self.http.post("/interrupt").status_code == 200

    def interrupted(self, prompt_id: str) -> Entry:
        """Interrupt what runs; the prompt's entry.

        A prompt that is held up for ``FOREVER_SECONDS`` has to notice it, or this fails.
        """
        self.interrupt()
        entry = self.wait(prompt_id)
        assert entry.was_interrupted, entry
        assert not entry.error
        return entry

    def queue(self) -> JSON:
        found: JSON = self.http.get("/queue").json()
        return found

    def is_alive(self) -> bool:
        """Whether the prompt worker still takes prompts and ends them."""
        graph = Graph()
        graph.add("HelperSleep", seconds=0)
        return self.execute(graph).is_success

    def object_info(self, node_id: str = "") -> JSON:
        answer = self.http.get(f"/object_info/{node_id}" if node_id else "/object_info")
        assert answer.status_code == 200, answer.text
        found: JSON = answer.json()
        return found

    # What the page was told

    @property
    def events(self) -> list[Event]:
        return list(self._listener.events)

    def events_of(self, prompt_id: str, type: str | None = None) -> list[Event]:
        return [
            event
            for event in self.events
            if event.data.get("prompt_id") == prompt_id and type in (None, event.type)
        ]

    def await_notice(self, part: str, since: float) -> JSON:
        """The first notice of ours after the moment ``since`` that has ``part`` in its texts."""

        def notice() -> JSON | None:
            for event in self.events:
                said = f"{event.data.get('summary')} {event.data.get('detail')}"
                if event.type == "viseme.notice" and event.time >= since and part in said:
                    return event.data
            return None

        found: JSON = until(notice, f"a notice with {part!r}")
        return found

    def texts(self, node: Node, since: float = 0) -> list[str]:
        """The lines of progress that a node has shown."""
        return [
            event.data["text"]
            for event in self.events
            if event.type == "progress_text"
            and event.data["node"] == node.id
            and event.time >= since
        ]

    def await_text(self, node: Node, part: str, since: float) -> None:
        """Wait until a node has shown a line with ``part`` after the moment ``since``."""
        until(
            lambda: any(part in text for text in self.texts(node, since)),
            f"a line with {part!r}",
        )


@contextmanager
def in_the_way(folder: Path) -> Iterator[None]:
    """A file in place of a folder, which comes back as it was."""
    aside = folder.with_name(f"{folder.name}-aside")
    if folder.exists():
        folder.rename(aside)
    folder.touch()
    try:
        yield
    finally:
        folder.unlink()
        if aside.exists():
            aside.rename(folder)


def left_job(command: Command, box: ModalSandbox, take: int, *, is_live: bool = False) -> str:
    """The id of a job that a killed process has left at the vendor."""
    media = ("--video", sample_clip_path(), "--audio", sample_speech_path())
    options = ("--take", take) if is_live else ("--sandbox", box.control, "--take", take)
    running = command.start("run", "fal-sync", *media, *options)
    box.await_charge()
    until(lambda: command.states()[0] in ("ACCEPTED", "RUNNING"), "the vendor's yes")
    running.kill()
    return command.job_id()


def jobs_left(client: Client) -> dict[str, bool]:
    """The ids of the unfinished jobs that the page is told of, each with whether it is free."""
    answer = client.http.get("/viseme/jobs/left")
    assert answer.status_code == 200, answer.text
    return {job["id"]: job["is_sandbox"] for job in answer.json()["jobs"]}


def speaks_of_paying(text: str) -> bool:
    """Whether a text tells of money that a job has cost or costs."""
    return any(word in text for word in ("bills", "paid for", "paying", "billed"))
