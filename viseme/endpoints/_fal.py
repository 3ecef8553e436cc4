"""What all endpoints at fal share: delivery options, and the file in the answer.

Sources: fal.ai/docs (queue API, common parameters, media expiration).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from ..model import ResultItem, VendorResult, WireRequest
from ._arguments import CallbackUrl, Integer, option
from ._results import documented, unreadable
from .base import DELIVERY, Arguments

WEEK_SECONDS = 7 * 24 * 3600
_FILE_FIELDS = ("url", "content_type", "file_name", "file_size")


class FalArguments(Arguments):
    """How fal runs and delivers a job; none of it changes the result."""

    webhook: CallbackUrl | None = Field(
        None,
        description="URL to which fal posts the result as well, once the job has ended.",
        json_schema_extra=DELIVERY,
    )
    queue_priority: Annotated[Literal["normal", "low"], option("normal", "low")] = Field(
        "normal",
        description="Place in fal's queue: normal, or low to let your other jobs go first.",
        json_schema_extra=DELIVERY,
    )
    start_deadline_seconds: float | None = Field(
        None,
        gt=1,
        le=30 * 24 * 3600,
        description="Give up when the job has not started after this many seconds. Time spent "
        "running does not count. Empty: wait as long as it takes.",
        json_schema_extra=DELIVERY,
    )
    logs: bool = Field(
        True,
        description="Show the model's own log lines while it runs.",
        json_schema_extra=DELIVERY,
    )
    store_io: bool = Field(
        True,
        description="Let fal keep the request and its answer (30 days). Without it, a job whose "
        "answer is lost on the way cannot be found again.",
        json_schema_extra=DELIVERY,
    )
    result_lifetime_seconds: Integer = Field(
        WEEK_SECONDS,
        ge=60,
        le=365 * 24 * 3600,
        description="How long fal keeps the result, at an address that anyone who knows it can "
        "read. In seconds; 604800 is a week.",
        json_schema_extra=DELIVERY,
    )


def store_io_warnings(arguments: FalArguments) -> tuple[str, ...]:
    """What is given up where fal is told to keep nothing of a request."""
    if arguments.store_io:
        return ()
    return (
        "fal was told to keep nothing of this request (store_io is off): should its answer to the "
        "submission be lost, nobody can find out whether it was bought.",
    )


def fal_request(vendor_model: str, body: Mapping[str, Any], arguments: FalArguments) -> WireRequest:
    """The submission to fal's queue: the model's input bare, delivery in query and headers."""
    lifetime = {"expiration_duration_seconds": arguments.result_lifetime_seconds}
    headers = {"X-Fal-Object-Lifecycle-Preference": json.dumps(lifetime)}
    if arguments.queue_priority != "normal":
        headers["X-Fal-Queue-Priority"] = arguments.queue_priority
    if arguments.start_deadline_seconds is not None:
        headers["X-Fal-Request-Timeout"] = f"{arguments.start_deadline_seconds:.10g}"
    if not arguments.store_io:
        headers["X-Fal-Store-IO"] = "0"
    query = {} if arguments.webhook is None else {"fal_webhook": arguments.webhook}
    return WireRequest(f"/{vendor_model}", body, query, headers)


def read_fal_video(endpoint_id: str, body: Mapping[str, Any]) -> VendorResult:
    """The answer of a model whose output is ``{"video": File}``."""
    file = body.get("video")
    if not isinstance(file, Mapping) or not isinstance(file.get("url"), str) or not file["url"]:
        unreadable(endpoint_id, "video.url", body)
    url = file["url"]
    item = ResultItem(data=url) if url.startswith("data:") else ResultItem(url=url)
    return VendorResult((item,), {"video": documented(file, _FILE_FIELDS, ("url",))})
