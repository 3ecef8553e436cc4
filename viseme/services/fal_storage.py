"""fal's file storage: where media lie that are too large to stand in a request.

Sources: docs.fal.ai, model APIs, CDN; otherwise as fal-client 1.0.3 uses it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import TypeVar
from urllib.parse import urlsplit

from ..addresses import Addresses, path_segment
from ..answer import Answer
from ..bodies import FileBody, JsonBody
from ..errors import UnreadableAnswer
from ..settings import Settings
from .base import OutgoingFile, Service, Upload
from .fal_errors import error_of

PARALLEL_PARTS = 4
T = TypeVar("T")


class FalStorage:
    """Uploads to fal's CDN, where a file is public to whoever knows its address.

    The key itself never goes there, but a short-lived token does.
    """

    def __init__(self, service: Service, addresses: Addresses, settings: Settings) -> None:
        self._service = service
        self._addresses = addresses
        self._settings = settings

    async def upload(
        self, file: OutgoingFile, on_bytes_sent: Callable[[int], None] | None = None
    ) -> Upload:
        """Above ``multipart_threshold_bytes`` it goes in parts of ``multipart_part_bytes``."""
        lifetime = self._settings.fal_upload_lifetime_seconds
        headers = {
            "Authorization": await self._token(),
            "X-Fal-File-Name": file.name,
            "X-Fal-Object-Lifecycle": json.dumps({"expiration_duration_seconds": lifetime}),
        }
        if file.size_bytes > self._settings.multipart_threshold_bytes:
            url = await self._upload_parts(file, headers, on_bytes_sent)
        else:
            url = await self._upload_whole(file, headers, on_bytes_sent)
        return Upload(url, datetime.now(timezone.utc) + timedelta(seconds=lifetime))

    async def _token(self) -> str:
        answer = await self._service.call(
            "POST",
            "/storage/auth/token",
            base="fal.rest",
            query={"storage_type": "fal-cdn-v3"},
            headers={"Content-Type": "application/json"},
            body=JsonBody({}),
        )
        if not answer.is_success:
            raise error_of(answer)
        document = answer.json_object()
        token, kind = document.get("token"), document.get("token_type", "Bearer")
        if not isinstance(token, str) or not isinstance(kind, str):
            raise UnreadableAnswer("fal gave no upload token.", http_status=answer.status)
        return f"{kind} {token}"

    async def _upload_whole(
        self,
        file: OutgoingFile,
        headers: Mapping[str, str],
        on_bytes_sent: Callable[[int], None] | None,
    ) -> str:
        answer = await self._service.call(
            "POST",
            "/files/upload",
            base="fal.cdn",
            headers={**headers, "Content-Type": file.media_type},
            body=FileBody(file.path, 0, file.size_bytes, file.digest),
            with_key=False,
            timeout_seconds=self._settings.upload_timeout_seconds,
            on_bytes_sent=on_bytes_sent,
        )
        return _access_url(answer)

    async def _upload_parts(
        self,
        file: OutgoingFile,
        headers: Mapping[str, str],
        on_bytes_sent: Callable[[int], None] | None,
    ) -> str:
        url, parts_path = await self._begin(file, headers)
        part_bytes = self._settings.multipart_part_bytes
        sent_by_part: dict[int, int] = {}
        turn = asyncio.Semaphore(PARALLEL_PARTS)

        async def send(number: int, offset: int) -> dict[str, int | str]:
            def count(sent: int) -> None:
                sent_by_part[number] = sent
                if on_bytes_sent is not None:
                    on_bytes_sent(sum(sent_by_part.values()))

            body = FileBody(file.path, offset, min(part_bytes, file.size_bytes - offset))
            async with turn:
                etag = await self._send_part(f"{parts_path}/{number}", body, headers, count)
            return {"partNumber": number, "etag": etag}

        offsets = range(0, file.size_bytes, part_bytes)
        parts = await _all_or_none([send(n, offset) for n, offset in enumerate(offsets, 1)])
        done = await self._service.call(
            "POST",
            f"{parts_path}/complete",
            base="fal.cdn",
            headers={**headers, "Content-Type": "application/json"},
            body=JsonBody({"parts": parts}),
            with_key=False,
        )
        if not done.is_success:
            raise error_of(done)
        return url

    async def _begin(self, file: OutgoingFile, headers: Mapping[str, str]) -> tuple[str, str]:
        """Announce a file in parts: its address to be, and the path that its parts go under."""
        answer = await self._service.call(
            "POST",
            "/files/upload/multipart",
            base="fal.cdn",
            headers={**headers, "Content-Type": file.media_type},
            with_key=False,
        )
        url = _access_url(answer)
        upload_id = answer.json_object().get("uploadId")
        located = self._addresses.locate(url)
        if located is None or located[0] != "fal.cdn":
            raise UnreadableAnswer("fal wants the parts of a file sent to an unknown address.")
        if not isinstance(upload_id, str) or not upload_id:
            raise UnreadableAnswer("fal began an upload in parts without naming it.")
        return url, f"{urlsplit(located[1]).path}/multipart/{path_segment(upload_id)}"

    async def _send_part(
        self, path: str, body: FileBody, headers: Mapping[str, str], count: Callable[[int], None]
    ) -> str:
        """Send one part; its etag."""
        answer = await self._service.call(
            "PUT",
            path,
            base="fal.cdn",
            headers={**headers, "Accept-Encoding": "identity"},
            body=body,
            with_key=False,
            timeout_seconds=self._settings.upload_timeout_seconds,
            on_bytes_sent=count,
        )
        if not answer.is_success:
            raise error_of(answer)
        if "etag" not in answer.headers:
            raise UnreadableAnswer("fal stored a part of a file without an etag.")
        return answer.headers["etag"]


async def _all_or_none(work: Sequence[Coroutine[None, None, T]]) -> list[T]:
    """The results of all, at once; the first that fails ends the others, which nobody would look
    after, and is raised."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _access_url(answer: Answer) -> str:
    if not answer.is_success:
        raise error_of(answer)
    url = answer.json_object().get("access_url")
    if not isinstance(url, str) or not url:
        raise UnreadableAnswer("fal stored a file without saying where.")
    return url
