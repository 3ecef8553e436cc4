"""What a simulated model is: it checks a request body, names a price, and makes the video.

Written from the vendors' pages alone, apart from ``viseme.endpoints``, so that a mistake on
either side shows. Who serves HTTP calls it in this order::

    problems = model.check(body)            # any: answer them in the vendor's shape
    wanted = model.media(body)              # {"video": "https://...", "audio": "data:..."}
    ...                                     # bring them to files
    usd = model.price_usd(body, video, audio, options)
    files = model.render(body, video, audio, out_dir, options, cancelled)

Only ``check`` takes an unchecked body; the others expect one that had no problems.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Literal


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a request.

    ``loc`` is the way into the body, without a leading ``"body"``: ``("inputs", "audio")``,
    ``("edit_removal_ranges", 1)``. ``type`` is pydantic's own word where it has one
    (``missing``, ``literal_error``, ``extra_forbidden``, ``greater_than_equal`` ...),
    ``url_parsing`` and ``url_scheme`` for what is no URL, ``null``, and ``value_error`` for other
    rules; media that cannot be used has ``unsupported_media``. ``input`` is what was sent, ``None``
    for a problem of the whole body (``loc`` is then empty).
    """

    loc: tuple[str | int, ...]
    message: str
    type: str
    input: Any = None


class ContentProblem(Exception):
    """The media of an otherwise sound request cannot be used; ``problem`` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass(frozen=True)
class RenderOptions:
    """How the sandbox was told to behave, and what differs from job to job.

    ``pixverse_timing``: no document says how long PixVerse's result is when speech and clip
    differ; ``"speech"`` makes it as long as the speech (the clip repeats from its start),
    ``"clip"`` as long as the clip (the speech is cut, or followed by silence).
    ``canned``: answer with a tiny ready-made clip instead of rendering; its timing means nothing.
    ``seed``: the seed of the first result; result ``i`` of several has ``seed + i``.
    """

    pixverse_timing: Literal["speech", "clip"] = "speech"
    canned: bool = False
    seed: int = 42


DEFAULT_OPTIONS = RenderOptions()


class Model(ABC):
    """One model at one vendor, simulated."""

    vendor: ClassVar[str]  # fal | aimlapi | runware
    name: ClassVar[str]  # the vendor's own: "fal-ai/pixverse/lipsync"

    @abstractmethod
    def check(self, body: Mapping[str, Any]) -> list[Problem]:
        """Everything wrong with a JSON body, as strictly as the vendor's page allows."""

    @abstractmethod
    def media(self, body: Mapping[str, Any]) -> dict[str, str]:
        """``"video"``, and ``"audio"`` unless it speaks a text: the strings as they were sent.

        Each is a URL, a data URI or, for Runware, a UUID.
        """

    @abstractmethod
    def price_usd(
        self,
        body: Mapping[str, Any],
        video: Path,
        audio: Path | None,
        options: RenderOptions = DEFAULT_OPTIONS,
    ) -> Decimal:
        """What the job costs, all its results together; known at acceptance.

        In whole millionths of a dollar, half up. Raises ``ContentProblem`` for media that cannot
        be read.
        """

    @abstractmethod
    def render(
        self,
        body: Mapping[str, Any],
        video: Path,
        audio: Path | None,
        out_dir: Path,
        options: RenderOptions,
        cancelled: Callable[[], bool],
    ) -> list[Path]:
        """Make the videos, one file a result, in ``out_dir`` (which exists).

        Blocks; meant for a worker thread. The suffix of a file (.mp4, .webm, .mov) says what it
        is. Raises ``ContentProblem`` for media that the model refuses and
        ``viseme.errors.Interrupted`` once ``cancelled()`` is true; no file is left then.
        """
