"""Has the simulated models price and render in worker threads, and keeps what they made."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path

from ..errors import VisemeError
from .models import MODELS
from .models.base import ContentProblem, Problem, RenderOptions
from .options import SandboxOptions
from .records import Failure, Job, ResultFile, StoredFile, now
from .state import State
from .vendor import Vendor

RENDER_THREADS = 2
MEDIA_TYPES = {".mp4": "video/mp4", ".webm": "video/webm", ".mov": "video/quicktime"}
SMALLEST_USD = Decimal("0.000001")


class Renderer:
    """Prices and videos for jobs."""

    def __init__(self, state: State, options: SandboxOptions) -> None:
        self._folder = state.folder
        self._options = options
        self._workers = ThreadPoolExecutor(RENDER_THREADS, thread_name_prefix="render")

    async def close(self) -> None:
        await asyncio.to_thread(self._workers.shutdown, cancel_futures=True)

    async def price(self, job: Job) -> None:
        """Set what the job costs, or the failure that its media will end it with."""
        if job.failure is not None:
            return
        video, audio = _media(job)
        try:
            usd = await asyncio.to_thread(
                MODELS[job.vendor, job.model].price_usd,
                job.body,
                video,
                audio,
                self._options_for(job),
            )
        except (ContentProblem, VisemeError) as error:
            job.failure = media_failure(error)
            return
        job.price_usd = str(usd)

    def start(self, job: Job, stop: threading.Event) -> asyncio.Future[list[Path]]:
        """The videos, in the order of the results; none where the job is fated to have none.

        Raises ``ContentProblem`` for media that the model refuses, ``Interrupted`` once ``stop``
        is set.
        """
        work = self._folder / "work" / f"{job.vendor}-{secrets.token_hex(8)}"
        video, audio = _media(job)

        def render() -> list[Path]:
            if job.fate in ("job-fails", "reject-content"):
                return []
            work.mkdir(parents=True)
            try:
                return MODELS[job.vendor, job.model].render(
                    job.body, video, audio, work, self._options_for(job), stop.is_set
                )
            except BaseException:
                shutil.rmtree(work, ignore_errors=True)
                raise

        return asyncio.get_running_loop().run_in_executor(self._workers, render)

    def keep(self, job: Job, files: list[Path], vendor: Vendor) -> list[StoredFile]:
        """Move finished videos to where they are served, and tell the job of them."""
        folders = {file.parent for file in files}
        if job.fate == "partial-results" and len(files) > 1:
            usd = Decimal(job.price_usd) * (len(files) - 1) / len(files)
            job.price_usd = str(usd.quantize(SMALLEST_USD))
            files = files[:-1]
        expires_at = None if job.lifetime_seconds is None else now() + job.lifetime_seconds
        stored: list[StoredFile] = []
        for number, file in enumerate(files):
            token = secrets.token_hex(16)
            disk = f"results/{token}{file.suffix}"
            size_bytes = file.stat().st_size
            file.replace(self._folder / disk)
            path, kind = vendor.result_path(token, file.suffix), MEDIA_TYPES[file.suffix]
            name, seed = f"output{file.suffix}", job.seed + number
            item = ResultFile(path, name, size_bytes, kind, seed, str(uuid.uuid4()))
            job.results.append(item)
            host = f"{job.vendor}.results"
            stored.append(StoredFile(host, path, disk, kind, None, None, expires_at, job.id))
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        return stored

    def _options_for(self, job: Job) -> RenderOptions:
        return RenderOptions(
            pixverse_timing=self._options.pixverse_timing,
            canned=not self._options.render,
            seed=job.seed,
        )


def _media(job: Job) -> tuple[Path, Path | None]:
    audio = job.media.get("audio")
    return Path(job.media["video"]), None if audio is None else Path(audio)


def media_failure(error: ContentProblem | VisemeError) -> Failure:
    """How media that cannot be used ends a job."""
    if isinstance(error, ContentProblem):
        return Failure("media", error.problem.message, [asdict(error.problem)])
    problem = Problem((), error.message, "unsupported_media")
    return Failure("media", error.message, [asdict(problem)])
