"""rest.fal.ai's storage calls and v3.fal.media: tokens, uploads whole and in parts, files.

Sources: the calls that fal-client 1.0.3 and @fal-ai/client make;
docs.fal.ai/documentation/model-apis/fal-cdn.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import secrets
import shutil
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web

from . import bodies
from .fal import FAL, FOLDERS, infrastructure, lifetime_seconds, reply
from .records import StoredFile, now
from .transfers import Source
from .vendor import Refusal
from .wire import Box, Call, Route

TOKEN_SECONDS = 3600
FILE_PATH = r"/files/{folder}/{name}"
UPLOADS = "/upload/{ticket}"


def rest_routes(box: Box) -> list[web.RouteDef]:
    token = Route(FAL, "upload-token", _token, has_json=True)
    initiate = Route(FAL, "upload-token", _initiate, has_json=True, spends=True)
    return [
        web.post("/storage/auth/token", token.bound(box)),
        web.post("/storage/upload/initiate", initiate.bound(box)),
        web.post("/storage/upload/initiate-multipart", initiate.bound(box)),
    ]


def cdn_routes(box: Box) -> list[web.RouteDef]:
    def upload(handler: Any, *, has_json: bool = False) -> Any:
        return Route(FAL, "upload", handler, has_json=has_json, keyed=False).bound(box)

    parts = FILE_PATH + "/multipart/{upload}"
    download = Route(FAL, "download", _download, keyed=False)
    return [
        web.post("/files/upload", upload(_upload)),
        web.post("/files/upload/multipart", upload(_start_parts)),
        web.put(parts + "/{number:[0-9]+}", upload(_put_part)),
        web.post(parts + "/complete", upload(_complete_parts, has_json=True)),
        web.put(UPLOADS, upload(_put_signed)),
        web.put(UPLOADS + "/{number:[0-9]+}", upload(_put_part)),
        web.post(UPLOADS + "/complete", upload(_complete_parts, has_json=True)),
        web.get(FILE_PATH, download.bound(box)),
    ]


# Tokens are signed and not stored, so that they outlive a restart.


def _sign(call: Call, text: str) -> str:
    key = call.box.state.constant("storage_secret", secrets.token_hex(32))
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()[:40]


async def _token(call: Call) -> web.Response:
    expires = int(time.time()) + TOKEN_SECONDS
    text = f"{call.account}.{expires}"
    expires_at = datetime.fromtimestamp(expires, timezone.utc).isoformat()
    document = {
        "token": f"{text}.{_sign(call, text)}",
        "token_type": "Bearer",
        "base_url": call.box.addresses["fal.cdn"],
        "expires_at": expires_at,
    }
    return reply(200, document)


def _check_token(call: Call) -> None:
    scheme, _, token = call.request.headers.get("Authorization", "").partition(" ")
    text, _, signature = token.rpartition(".")
    expires = text.rpartition(".")[2]
    good = hmac.compare_digest(signature, _sign(call, text)) and expires.isdigit()
    if scheme != "Bearer" or not good or int(expires) < time.time():
        raise Refusal(reply(401, {"detail": "Invalid or expired storage token"}))


def _lifetime(call: Call) -> float | None:
    headers = call.request.headers
    text = headers.get("X-Fal-Object-Lifecycle") or headers.get("X-Fal-Object-Lifecycle-Preference")
    return lifetime_seconds(text)


def _new_path(name: str) -> str:
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", Path(name).name)[-80:] or "upload.bin"
    return f"/files/{secrets.choice(FOLDERS)}/{secrets.token_urlsafe(16)}_{safe}"


def _new_disk() -> str:
    return f"media/{secrets.token_hex(16)}"


def _register(call: Call, path: str, disk: str, media_type: str, lifetime: float | None) -> str:
    """Make a finished upload public; its URL."""
    expires_at = None if lifetime is None else now() + lifetime
    call.box.state.add_file(
        StoredFile("fal.cdn", path, disk, media_type or "application/octet-stream", None, None,
                   expires_at)
    )  # fmt: skip
    return call.box.addresses["fal.cdn"] + path


async def _upload(call: Call) -> web.Response:
    _check_token(call)
    lifetime = _lifetime(call)
    disk = _new_disk()
    await bodies.save_raw(call.request, call.box.state.folder / disk)
    path = _new_path(call.request.headers.get("X-Fal-File-Name", "upload.bin"))
    url = _register(call, path, disk, call.request.content_type, lifetime)
    return reply(200, {"access_url": url})


async def _download(call: Call) -> Source:
    stored = call.box.state.file(call.request.path, "fal.cdn")
    if stored is None or stored.is_expired:
        raise Refusal(reply(404, {"detail": "File not found"}))
    return Source(call.box.media.on_disk(stored), stored.media_type)


# Uploads in parts, and those to a signed URL. What is known of one before it is complete is a
# small JSON file beside its parts.


def _parts_folder(call: Call, upload_id: str) -> Path:
    return call.box.state.folder / "incoming-parts" / upload_id


def _open_ticket(call: Call, path: str, media_type: str) -> str:
    upload_id = secrets.token_hex(16)
    folder = _parts_folder(call, upload_id)
    folder.mkdir(mode=0o700, parents=True)
    ticket = {"path": path, "media_type": media_type, "lifetime": _lifetime(call)}
    (folder / "ticket.json").write_text(json.dumps(ticket), "utf-8")
    return upload_id


def _ticket(call: Call) -> tuple[Path, dict[str, Any]]:
    """The folder and ticket of the upload that a path names; a CDN path also needs a token."""
    match = call.request.match_info
    upload_id = match.get("upload") or match["ticket"]
    folder = _parts_folder(call, upload_id)
    if "upload" in match:
        _check_token(call)
    elif call.request.query.get("signature") != _sign(call, upload_id):
        raise Refusal(reply(403, {"detail": "The signature does not match"}))
    if not re.fullmatch("[0-9a-f]{32}", upload_id) or not (folder / "ticket.json").exists():
        raise Refusal(reply(404, {"detail": "Upload not found"}))
    ticket: dict[str, Any] = json.loads((folder / "ticket.json").read_text("utf-8"))
    if "upload" in match and ticket["path"] != f"/files/{match['folder']}/{match['name']}":
        raise Refusal(reply(404, {"detail": "Upload not found"}))
    return folder, ticket


async def _start_parts(call: Call) -> web.Response:
    _check_token(call)
    path = _new_path(call.request.headers.get("X-Fal-File-Name", "upload.bin"))
    upload_id = _open_ticket(call, path, call.request.content_type)
    url = call.box.addresses["fal.cdn"] + path
    return reply(200, {"access_url": url, "uploadId": upload_id})


async def _initiate(call: Call) -> web.Response:
    asked = call.json if isinstance(call.json, dict) else {}
    name, media_type = asked.get("file_name"), asked.get("content_type")
    if not isinstance(name, str) or not isinstance(media_type, str):
        detail = "file_name and content_type are required"
        raise Refusal(infrastructure(422, detail, "bad_request"))
    path = _new_path(name)
    upload_id = _open_ticket(call, path, media_type)
    cdn = call.box.addresses["fal.cdn"]
    query = f"?signature={quote(_sign(call, upload_id))}"
    document = {"upload_url": f"{cdn}/upload/{upload_id}{query}", "file_url": cdn + path}
    return reply(200, document)


async def _put_signed(call: Call) -> web.Response:
    folder, ticket = _ticket(call)
    disk = _new_disk()
    await bodies.save_raw(call.request, call.box.state.folder / disk)
    _register(call, ticket["path"], disk, ticket["media_type"], ticket["lifetime"])
    shutil.rmtree(folder, ignore_errors=True)
    return web.Response(status=200)


async def _put_part(call: Call) -> web.Response:
    folder, _ = _ticket(call)
    number = int(call.request.match_info["number"])
    if not 1 <= number <= 10_000:
        raise Refusal(reply(400, {"detail": "Part numbers are 1 to 10000"}))
    part = folder / f"{number}.part"
    await bodies.save_raw(call.request, part)
    etag = await asyncio.to_thread(_etag, part)
    return web.Response(status=200, headers={"ETag": f'"{etag}"'})


def _etag(path: Path) -> str:
    with path.open("rb") as handle:
        digest = hashlib.md5(usedforsecurity=False)
        while chunk := handle.read(1024 * 1024):
            digest.update(chunk)
    return digest.hexdigest()


async def _complete_parts(call: Call) -> web.Response:
    folder, ticket = _ticket(call)
    parts = call.json.get("parts") if isinstance(call.json, dict) else None
    disk = _new_disk()
    problem = await asyncio.to_thread(_join, folder, parts, call.box.state.folder / disk)
    if problem is not None:
        raise Refusal(reply(400, {"detail": problem}))
    url = _register(call, ticket["path"], disk, ticket["media_type"], ticket["lifetime"])
    shutil.rmtree(folder, ignore_errors=True)
    return reply(200, {"access_url": url})


def _join(folder: Path, parts: Any, target: Path) -> str | None:
    """Put the parts together in order; what is wrong with them, if anything is."""
    if not isinstance(parts, list) or not parts:
        return "parts must be a list of partNumber and etag"
    try:
        named = sorted((int(part["partNumber"]), str(part["etag"]).strip('"')) for part in parts)
    except (KeyError, TypeError, ValueError):
        return "each part needs partNumber and etag"
    if [number for number, _ in named] != list(range(1, len(named) + 1)):
        return "part numbers must run from 1 without a gap"
    with target.open("xb") as whole:
        for number, etag in named:
            part = folder / f"{number}.part"
            if not part.exists() or _etag(part) != etag:
                target.unlink()
                return f"part {number} is missing or its etag does not match"
            with part.open("rb") as handle:
                shutil.copyfileobj(handle, whole, 1024 * 1024)
            part.unlink()
    return None
