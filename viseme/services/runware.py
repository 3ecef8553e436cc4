"""Runware's task arrays.

Sources: runware.ai/docs, platform: introduction, task polling, task details, media storage,
errors; runware.ai/docs/models/pixverse-lipsync.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from ..answer import Answer
from ..bodies import JsonBody
from ..errors import (
    CredentialError,
    OutOfCredit,
    RateLimited,
    UnreadableAnswer,
    VisemeError,
)
from ..model import InlineMedia, Vendor, WireRequest
from .base import (
    Acceptance,
    Finding,
    OutgoingFile,
    Phase,
    Report,
    Service,
    Submission,
    Trace,
    Upload,
)
from .reading import answer_lost, objects
from .runware_errors import REFUSED_STATUSES, error_of, is_refusal, is_unknown, job_failure

PHASES = {
    "queued": Phase.QUEUED,
    "scheduled": Phase.QUEUED,
    "waiting": Phase.QUEUED,
    "pending": Phase.RUNNING,
    "processing": Phase.RUNNING,
    "success": Phase.SUCCEEDED,
    "error": Phase.FAILED,
}
CONFLICT = "conflictTaskUUID"
TASK_STATUSES = frozenset({400, 404, 422})  # of an answer that may tell how a task ended
ACKNOWLEDGEMENT = frozenset({"taskType", "taskUUID"})


class RunwareService(Service):
    """One URL for everything: a JSON array of tasks in, ``data`` and ``errors`` out.

    The task's UUID is ours, and Runware takes each only once, so a submission may be sent again.
    """

    vendor = Vendor.RUNWARE
    base: ClassVar[str] = "runware"
    cancelled_codes = frozenset({"taskCancelled"})
    result_hosts: ClassVar[tuple[str, ...]] = (".runware.ai",)
    deduplicates = True
    can_delete_uploads = True

    def authorization(self) -> str:
        return f"Bearer {self._secret.reveal()}"

    def error_of(self, answer: Answer) -> VisemeError:
        errors = _entries(answer, "errors")
        return error_of(errors[0] if errors else {}, answer.status, text=answer.text)

    def submission(self, request: WireRequest, token: str) -> Submission:
        task = {**request.body, "taskUUID": token}
        return Submission(
            self.base, request.path, request.query, request.headers, JsonBody([task]), token
        )

    async def submit(self, submission: Submission) -> Acceptance:
        answer = await self.send_once(submission)
        accepted = Acceptance({"taskUUID": submission.token})
        errors = _of_task(_entries(answer, "errors"), submission.token)
        if any(error.get("code") == CONFLICT for error in errors):
            return accepted  # the UUID is ours, so the task that has it is ours too
        if answer.is_success and _of_task(_entries(answer, "data"), submission.token):
            return accepted  # whatever stands beside it, the task is there to be asked for
        refused = all(is_refusal(error, answer.status) for error in errors)
        if refused and (errors or answer.status in REFUSED_STATUSES):
            raise error_of(errors[0] if errors else {}, answer.status, text=answer.text)
        unclear = next((e for e in errors if not is_refusal(e, answer.status)), {})
        raise answer_lost(self.vendor, answer.status, code=unclear.get("code"))

    async def _task(
        self,
        task: Mapping[str, Any],
        *,
        timeout_seconds: float = 60.0,
        on_bytes_sent: Callable[[int], None] | None = None,
        is_poll: bool = False,
    ) -> Answer:
        """Send one task that costs nothing."""
        return await self.call(
            "POST",
            "",
            headers={"Content-Type": "application/json"},
            body=JsonBody([task]),
            timeout_seconds=timeout_seconds,
            on_bytes_sent=on_bytes_sent,
            is_poll=is_poll,
        )

    async def report(self, vendor_ids: Mapping[str, str], *, logs: bool, items: int) -> Report:
        return await self._report(vendor_ids["taskUUID"], items, is_poll=True)

    async def _report(self, task_uuid: str, items: int, *, is_poll: bool) -> Report:
        """The state of a task. An answer that says nothing of it is none of its end in a poll; who
        asks whether there is such a task at all takes its details for the answer."""
        task = {"taskType": "getResponse", "taskUUID": task_uuid}
        answer = await self._task(task, is_poll=is_poll)
        data = _of_task(_entries(answer, "data"), task_uuid)
        errors = _of_task(_entries(answer, "errors"), task_uuid)
        if not data and (is_unknown(errors) or (answer.is_success and not errors and not is_poll)):
            return await self._details(task_uuid, items, is_poll=is_poll)
        if not data and not _is_verdict(answer, errors, task_uuid):
            raise self.error_of(answer)
        answer.json_object()  # that there is nothing new is told by an answer, not by a page
        return read_items(data, errors, items)

    async def _details(self, task_uuid: str, items: int, *, is_poll: bool) -> Report:
        """What Runware still knows of a task that getResponse has forgotten."""
        task = {"taskType": "getTaskDetails", "taskUUID": task_uuid}
        answer = await self._task(task, is_poll=is_poll)
        details = _of_task(_entries(answer, "data"), task_uuid)
        errors = _of_task(_entries(answer, "errors"), task_uuid)
        if not details:
            if not is_unknown(errors) and (errors or not answer.is_success):
                raise self.error_of(answer)
            answer.json_object()  # absence is told by an answer, not by a page of HTML
            first = errors[0] if errors else {}
            return Report(Phase.MISSING, problem=error_of(first, answer.status))
        response = details[0].get("response")
        response = response if isinstance(response, dict) else {}
        data, failed = objects(response.get("data")), objects(response.get("errors"))
        if not data and not failed:
            return Report(Phase.RUNNING)  # known, and without an end yet
        return read_items(data, failed, items)

    async def upload(
        self, file: OutgoingFile, on_bytes_sent: Callable[[int], None] | None = None
    ) -> Upload:
        """Bring a file into mediaStorage; the UUID that it gets stands for it in a task."""
        task_uuid = str(uuid.uuid4())
        answer = await self._task(
            {
                "taskType": "mediaStorage",
                "taskUUID": task_uuid,
                "operation": "upload",
                "media": InlineMedia(file.path, file.media_type, file.size_bytes, file.digest),
            },
            timeout_seconds=self._settings.upload_timeout_seconds,
            on_bytes_sent=on_bytes_sent,
        )
        errors = _of_task(_entries(answer, "errors"), task_uuid)
        if errors or not answer.is_success:
            raise error_of(errors[0] if errors else {}, answer.status, text=answer.text)
        for entry in _of_task(_entries(answer, "data"), task_uuid):
            if isinstance(entry.get("mediaUUID"), str):
                return Upload(entry["mediaUUID"], can_be_deleted=True)
        raise UnreadableAnswer("Runware stored a file without giving it a mediaUUID.")

    async def delete_upload(self, reference: str) -> None:
        """The UUID goes where an upload has its data, as runware-sdk 1.8 types it; no page says."""
        answer = await self._task(
            {
                "taskType": "mediaStorage",
                "taskUUID": str(uuid.uuid4()),
                "operation": "delete",
                "media": reference,
            }
        )
        if not answer.is_success or _entries(answer, "errors"):
            raise self.error_of(answer)

    async def look_up(self, trace: Trace) -> Finding:
        """By the task's UUID, in both places that know tasks; absence in both is proof."""
        report = await self._report(trace.token, 1, is_poll=False)
        if report.phase is Phase.MISSING:
            return Finding((), absence_is_proof=True)
        return Finding((Acceptance({"taskUUID": trace.token}),))


def read_items(
    data: Sequence[Mapping[str, Any]], errors: Sequence[Mapping[str, Any]], items: int
) -> Report:
    """The state of a task of ``items`` results from what is said of each. Pure.

    It has ended once every result is in or has failed; well, where at least one is in: what failed
    then goes along in the answer's ``errors``. An error without any result, and nothing pending,
    is of the whole task. Where some are in, some have failed and of the others nothing is said,
    these may still be listed, or never: the report is partial.
    """
    phases = [_phase(entry) for entry in data]
    done = [e for e, phase in zip(data, phases, strict=True) if phase is Phase.SUCCEEDED]
    failed = [*errors, *(e for e, p in zip(data, phases, strict=True) if p is Phase.FAILED)]
    is_pending = any(not phase.is_end for phase in phases)
    answer = {"data": done, "errors": failed}
    if done and len(done) + len(failed) >= items:
        return Report(Phase.SUCCEEDED, answer=answer)
    if failed and not done and (len(failed) >= items or not is_pending):
        return Report(Phase.FAILED, problem=job_failure(failed[0]))
    if done and failed and not is_pending:
        return Report(Phase.RUNNING, answer=answer, is_partial=True)
    if phases and all(phase is Phase.QUEUED for phase in phases):
        return Report(Phase.QUEUED)
    return Report(Phase.RUNNING)


def _phase(entry: Mapping[str, Any]) -> Phase:
    """Of one result. Without a status, an entry that names only its task is an acknowledgement."""
    if "status" in entry:
        return PHASES.get(str(entry["status"]), Phase.RUNNING)
    return Phase.SUCCEEDED if entry.keys() - ACKNOWLEDGEMENT else Phase.RUNNING


def _is_verdict(answer: Answer, errors: Sequence[Mapping[str, Any]], task_uuid: str) -> bool:
    """Whether an answer without data speaks of the task, and not of the call that asked for it.

    Both have the same taskUUID, so an outage, a key or a limit is told by status and code.
    """
    if not errors:
        return answer.is_success
    if not answer.is_success and answer.status not in TASK_STATUSES:
        return False
    problem = error_of(errors[0], answer.status)
    if isinstance(problem, CredentialError | OutOfCredit | RateLimited):
        return False
    return any(error.get("taskUUID") == task_uuid for error in errors)


def _entries(answer: Answer, name: str) -> list[Mapping[str, Any]]:
    """``data`` or ``errors`` of an answer; empty where it is not of the documented form."""
    try:
        document = answer.json()
    except UnreadableAnswer:
        return []
    return objects(document.get(name)) if isinstance(document, dict) else []


def _of_task(entries: Sequence[Mapping[str, Any]], task_uuid: str) -> list[Mapping[str, Any]]:
    """The entries of one task; an error without a UUID is of the whole request, so of it too."""
    return [entry for entry in entries if entry.get("taskUUID", task_uuid) == task_uuid]
