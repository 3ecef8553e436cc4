"""What a lip-sync node checks before anything runs, where the page shows the text of an error."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from ..viseme.endpoints import Endpoint, Wording, endpoint, read_arguments
from ..viseme.errors import InputError, VisemeError
from ..viseme.jobs.wish import check_carry
from ..viseme.model import Carry
from . import _host
from ._common import LIVE
from ._errors import node_error
from ._inputs import Option, check_values, given_by, remedy_of
from ._sockets import check_text


async def check_before_run(
    inputs: Sequence[Any],
    values: Mapping[str, Any],
    endpoint_id: str,
    options: tuple[Option, ...],
    *,
    given: Mapping[str, Any] | None = None,
    text: str | None = None,
) -> None:
    """Raise LipSyncError for all that is knowable now.

    ``inputs`` are the node's own, which its class cannot be asked for while it is locked;
    ``values`` are those of ``validate_inputs``: None where linked, absent where not connected.
    ``given`` holds the options' values where they are not at the top; ``text`` is what is to be
    spoken, where text is.
    """
    target = endpoint(endpoint_id)
    try:
        check_values(inputs, values)
        _check_media(values, text is not None)
        if text is not None:
            check_text(text)
        arguments = given_by(options, values if given is None else given)
        _check_arguments(target, arguments, values, text, options)
        check_carry(target, Carry(values.get("carry") or Carry.AUTO))
        if values.get("run_on") == LIVE:
            # This runs on the host's own loop, and a system's keyring may ask its user first.
            await asyncio.to_thread(_check_key, target)
    except VisemeError as problem:
        raise node_error(problem) from problem


def _check_key(target: Endpoint) -> None:
    from ..viseme.credentials import load
    from ..viseme.settings import Settings

    folder = _host.home()
    Settings.load(folder.settings)
    load(target.vendor, folder)


def _check_arguments(
    target: Endpoint,
    arguments: dict[str, Any],
    values: Mapping[str, Any],
    text: str | None,
    options: tuple[Option, ...],
) -> None:
    """The endpoint's own rules, for its options and for what the common inputs mean to it."""
    names = {target.video_field: "video_url"}
    if text is None:
        names[target.audio_field] = "audio_url"
    fields = {field: values[name] for field, name in names.items() if values.get(name)}
    if text is not None and target.text_field is not None:
        names[target.text_field] = "speech.text"
        fields[target.text_field] = text
    wording = Wording(
        names | {".".join(option.path): option.widget_id for option in options},
        {".".join(option.path): remedy_of(option) for option in options},
    )
    read_arguments(target.id, target.arguments_model, {**arguments, **fields}, wording)


def _check_media(values: Mapping[str, Any], is_text: bool) -> None:
    for socket, url, what in (
        ("media", "video_url", "a VIDEO or IMAGE"),
        ("audio", "audio_url", "AUDIO"),
    ):
        if socket == "audio" and is_text:
            continue
        # A linked URL has no value yet.
        has_url = url in values and values[url] != ""
        if socket not in values and not has_url:
            raise InputError(
                f"{socket} is not connected.",
                field=socket,
                value="nothing",
                limit=what,
                remedy=f"Connect {what}, or give {url}.",
            )
        if socket in values and values.get(url):
            raise InputError(
                f"{socket} is connected, and {url} is given too.",
                field=url,
                value=values[url],
                limit="one of the two",
                remedy=f"Empty {url}, or disconnect {socket}.",
            )
