"""What the nodes need of ComfyUI besides its types: folders, messages, and who consumes what."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import folder_paths
from comfy_api.latest import io, ui
from server import PromptServer

from ..viseme.home import Home, find_home
from ._given import DECODED_KEY, change_count, decoded_before, is_link, signature

if TYPE_CHECKING:
    from ..viseme.jobs.workplace import Workplace
    from ..viseme.ledger import Ledger

log = logging.getLogger("viseme")

NOTICE_EVENT = "viseme.notice"
# A node's signature, written beside its inputs. Computed from the same prompt later it would be
# another one: while the host validates a prompt it makes 0.0 of 0, and the like.
ASKED_KEY = "viseme_asked"
# Outputs that cost memory and time to make, by node: name and index.
_DECODED: dict[str, dict[str, int]] = {}

# The nodes of the prompt that the host is about to validate, which it shows to no node's checks.
_to_be_checked: ContextVar[Mapping[str, Any]] = ContextVar("nodes", default=MappingProxyType({}))

_place_lock = threading.Lock()
_ledgers: dict[Path, Ledger] = {}


def home() -> Home:
    """Our private folder: what VISEME_HOME says, else the host's own for packs. Not created."""
    return find_home(host_folder=Path(folder_paths.get_system_user_directory("viseme")))


def workplace() -> Workplace:
    """Home, settings as the file has them now, and the ledger, opened once for this process.

    Blocking. Raises InputError, LocalError and LedgerError.
    """
    # What is needed only once a node runs is not imported when the host starts.
    from ..viseme.jobs.workplace import Workplace
    from ..viseme.ledger import Ledger
    from ..viseme.settings import Settings

    folder = home().create()
    settings = Settings.load(folder.settings)
    with _place_lock:
        ledger = _ledgers.get(folder.ledger)
        if ledger is None:
            ledger = _ledgers[folder.ledger] = Ledger.open(folder.ledger)
            _tell_left(ledger)
    return Workplace(folder, settings, ledger)


def _tell_left(ledger: Ledger) -> None:
    """Say in the log, once, what an earlier ComfyUI or command has left unfinished."""
    from ._left import is_sandboxed, left_in

    for job in left_in(ledger):
        is_free = is_sandboxed(job)
        log.warning(
            "Job %s (%s, %s%s) is not finished. Run its graph again, or give its id to Collect Lip "
            "Sync Job%s.",
            *(job.id, job.endpoint, job.state.value, ", sandbox" if is_free else ""),
            "" if is_free else "; nothing is paid for twice",
        )


def notify(severity: str, summary: str, detail: str) -> None:
    """Tell everyone who has the page open, and the log. ``severity`` as toasts know it."""
    log.warning("%s %s", summary, detail)
    PromptServer.instance.send_sync(
        NOTICE_EVENT, {"severity": severity, "summary": summary, "detail": detail}
    )


# --------------------------------------------------------------------------- consumed outputs


def decode_when_consumed(node_id: str, outputs: Mapping[str, int]) -> None:
    """Have ``mark_consumed`` note which of these outputs, by index, others take in."""
    _DECODED[node_id] = dict(outputs)


def mark_consumed(request: Any) -> Any:
    """Write into each node of ours in a prompt which of its decoded outputs are consumed, and
    how often what it gave on has changed since.

    Consumed is what a node takes in that will be executed, and what the same was decoded for
    before: whoever takes it no more makes neither this node nor what is behind it run anew.

    The prompt is kept for ``asked`` while it is validated. The host calls this with every prompt,
    from the page or from a program, before that.
    """
    prompt = request.get("prompt") if isinstance(request, dict) else None
    if not isinstance(prompt, dict):
        return request
    nodes = {key: node for key, node in prompt.items() if isinstance(node, dict)}
    _to_be_checked.set(nodes)
    taken = _taken(nodes, request.get("partial_execution_targets"))
    for key, node in nodes.items():
        outputs = _DECODED.get(str(node.get("class_type")))
        if outputs is None or not isinstance(node.get("inputs"), dict):
            continue
        asked_for = node[ASKED_KEY] = signature(nodes, key)
        count = change_count(asked_for)
        before = decoded_before(asked_for)
        names = [n for n, index in outputs.items() if (str(key), index) in taken or n in before]
        node["inputs"][DECODED_KEY] = ",".join([*names, *([f"again{count}"] if count else ())])
    return request


def _taken(nodes: Mapping[str, dict[str, Any]], targets: object) -> set[tuple[str, float]]:
    """The outputs, by node and index, that are taken in by nodes which the host will execute.

    It executes output nodes, those among ``targets`` where it is given any, and what leads to them.
    """
    taken: set[tuple[str, float]] = set()
    waiting = [key for key, node in nodes.items() if _is_output(node)]
    if isinstance(targets, list):
        waiting = [key for key in waiting if key in targets]
    seen = set(waiting)
    for key in waiting:
        for value in _values(nodes[key]):
            if not is_link(value):
                continue
            taken.add((value[0], value[1]))
            if value[0] in nodes and value[0] not in seen:
                seen.add(value[0])
                waiting.append(value[0])
    return taken


def _is_output(node: Mapping[str, Any]) -> bool:
    # The host's own module of that name, which is not this package.
    known = import_module("nodes").NODE_CLASS_MAPPINGS
    return bool(getattr(known.get(node.get("class_type")), "OUTPUT_NODE", False))


def _values(node: dict[str, Any]) -> list[Any]:
    inputs = node.get("inputs")
    return list(inputs.values()) if isinstance(inputs, dict) else []


def consumed(hidden: Any) -> frozenset[str] | None:
    """Which of its decoded outputs somebody consumes; None where that is not known.

    A node that was made while a graph was executed is not in the prompt that was marked.
    """
    noted = _marked(hidden).get("inputs", {}).get(DECODED_KEY)
    return frozenset(noted.split(",")) - {""} if isinstance(noted, str) else None


def signature_of(hidden: Any) -> str | None:
    """By what the host keeps the node's outputs; None where it was made while a graph was executed,
    which is kept for that prompt alone."""
    noted = _marked(hidden).get(ASKED_KEY)
    return noted if isinstance(noted, str) else None


def _marked(hidden: Any) -> dict[str, Any]:
    """The node as ``mark_consumed`` left it; empty where it never saw it."""
    prompt = hidden.prompt if isinstance(hidden.prompt, dict) else {}
    node = prompt.get(str(hidden.unique_id))
    return node if isinstance(node, dict) else {}


def wanted(hidden: Any) -> frozenset[str]:
    """Which of ``frames`` and ``audio`` are to be decoded: both where nothing is known."""
    known = consumed(hidden)
    return frozenset({"frames", "audio"}) if known is None else known


def asked(hidden: Any, name: str) -> object:
    """What the prompt itself has under an input's name; None where nothing. Also before a run."""
    try:
        if hidden.dynprompt is None:
            node = _to_be_checked.get()[str(hidden.unique_id)]
        else:
            node = hidden.dynprompt.get_node(hidden.unique_id)
    except Exception:  # noqa: BLE001 - each host has an error of its own for "no such node"
        return None
    return node.get("inputs", {}).get(name)


# ------------------------------------------------------------------------------------ preview


def preview(files: Sequence[Path], name: str) -> Any:
    """The files as a preview in the node: links, or copies, in the host's temp folder. Blocking.

    Each is named by ``name`` and the digest of its content, of which the results' own names are:
    what comes late, or again with other bytes, is another preview.

    None where that folder takes none: a result that was paid for does not fail for its preview.
    """
    folder = Path(folder_paths.get_temp_directory()) / "viseme"
    shown = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            target = folder / f"{name}-{file.stem[:16]}{file.suffix}"
            if not target.exists():
                _link(file, target)
            shown.append(ui.SavedResult(target.name, "viseme", io.FolderType.temp))
    except OSError as problem:
        log.warning("The result cannot be shown in its node: %s.", problem)
        return None
    return ui.PreviewVideo(shown)


def _link(file: Path, target: Path) -> None:
    part = target.with_name(f"{target.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        os.link(file, part)
    except OSError:  # another disk, or one that knows no links
        shutil.copyfile(file, part)
    part.replace(target)
