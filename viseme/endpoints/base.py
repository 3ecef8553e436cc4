"""What an endpoint is: data and pure functions. No HTTP, no files, no clock.

A subclass holds everything that one vendor's page says of one model, and nothing else does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

from ..edits import EditPlan
from ..errors import InputError
from ..model import (
    Carried,
    Carry,
    Footage,
    Quote,
    Speech,
    SpokenText,
    Timing,
    Vendor,
    VendorResult,
    WireRequest,
)
from ..money import parse_usd


class Arguments(BaseModel):
    """An endpoint's own options under their documented names.

    Media fields (``video_url`` and the like) take an https URL here; a file comes as the order's
    footage or speech. Field metadata ``json_schema_extra["viseme"]`` is one of ``"picture"``
    (changes the result, so it is part of the fingerprint), ``"delivery"`` (webhooks, lifetimes),
    ``"media"`` and ``"speech"`` (text and voice).
    """

    # Most programs need one of these models, or only the fields: ``read_arguments`` builds it.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


PICTURE: JsonDict = {"viseme": "picture"}
DELIVERY: JsonDict = {"viseme": "delivery"}
MEDIA: JsonDict = {"viseme": "media"}
SPEECH: JsonDict = {"viseme": "speech"}


@dataclass(frozen=True, slots=True)
class Assumption:
    """A vendor value that its own page does not give: a named setting, shown by
    ``viseme endpoints``. With a single option it only says what is taken for granted.
    """

    name: str
    default: str
    meaning: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MediaRules:
    """What files an endpoint takes as they are, and what it says of their size.

    ``containers`` and ``codecs`` are the names of ``Clip`` and ``Sound``. A ``refuse_*`` limit is
    documented by this vendor, a ``warn_*`` limit only by whoever stands behind it.
    """

    containers: frozenset[str]
    codecs: frozenset[str]
    warn_seconds: Fraction | None = None
    warn_bytes: int | None = None
    warn_longest_side: int | None = None
    refuse_seconds: Fraction | None = None
    refuse_bytes: int | None = None
    refuse_longest_side: int | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked of an endpoint: checked arguments and the media.

    Media and text are in ``footage`` and ``speech`` alone, however they were given; ``arguments``
    no longer has them. A ``SpokenText`` has its voice in the vendor's spelling. Giving the
    arguments, dumped, with the same footage and speech to ``Endpoint.order`` makes this again.
    """

    arguments: Arguments
    footage: Footage
    speech: Speech
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Edited:
    """An edit plan and what it cuts: so many frames at that rate; the sound is cut alike."""

    plan: EditPlan
    frame_count: int
    frame_rate: Fraction


class Endpoint(ABC):
    """Something that can be bought: one model at one vendor."""

    id: ClassVar[str]
    title: ClassVar[str]  # "PixVerse LipSync (fal)"
    model: ClassVar[str]  # "PixVerse LipSync"; the same for every vendor that sells it
    vendor: ClassVar[Vendor]
    vendor_model: ClassVar[str]  # the vendor's own name for it
    source: ClassVar[str]  # the vendor's page
    arguments_model: ClassVar[type[Arguments]]
    carries: ClassVar[tuple[Carry, ...]]  # INLINE, UPLOAD or both; REFERENCE always works
    video_rules: ClassVar[MediaRules]
    sound_rules: ClassVar[MediaRules]
    assumptions: ClassVar[tuple[Assumption, ...]] = ()
    takes_text: ClassVar[bool] = False
    takes_still: ClassVar[bool] = False
    takes_edits: ClassVar[bool] = False
    takes_uuid: ClassVar[bool] = False  # a medium may be named by the vendor's UUID

    # The arguments, dotted, that stand for --video, --audio, --text and --voice.
    video_field: ClassVar[str] = "video_url"
    audio_field: ClassVar[str] = "audio_url"
    text_field: ClassVar[str | None] = None
    voice_field: ClassVar[str | None] = None

    @abstractmethod
    def order(
        self, given: Mapping[str, Any], footage: Footage | None, speech: Speech | None
    ) -> Order:
        """Check everything that was given, together; what it returns can be bought.

        ``given`` is nested by documented name, values as JSON or as text from a command line.
        Raises ``InputError`` naming field, value, limit and remedy.
        """

    @abstractmethod
    def predict(self, order: Order, assumed: Mapping[str, str]) -> Timing: ...

    @abstractmethod
    def quote(self, order: Order, timing: Timing, assumed: Mapping[str, str]) -> Quote: ...

    @abstractmethod
    def write_request(
        self, order: Order, video: Carried, sound: Carried | None, *, timing: Timing
    ) -> WireRequest:
        """The submission, with each medium as it was carried."""

    @abstractmethod
    def read_result(self, body: Mapping[str, Any], *, expected_items: int = 1) -> VendorResult:
        """The vendor's final answer. Raises ``UnreadableAnswer`` where it has no result in it."""

    def item_count(self, order: Order) -> int:
        """How many results the order asks for."""
        return 1

    def result_suffix(self, order: Order) -> str:
        """The suffix of a result file, as ``.mp4``."""
        return ".mp4"

    def edited(self, order: Order) -> Edited | None:
        """The edit plan of an order and the frames that it cuts; None where it has none."""
        return None

    def picture_arguments(self, order: Order) -> Mapping[str, Any]:
        """The arguments that change the result, defaults included, for the fingerprint."""
        picture = {
            name: value
            for name, value in order.arguments.model_dump(mode="json").items()
            if _role(type(order.arguments), name) == "picture"
        }
        if isinstance(order.speech, SpokenText):
            picture["text"] = order.speech.text
            picture["voice"] = order.speech.voice
        return picture

    def assumed_value(self, assumed: Mapping[str, str], name: str) -> str:
        """The setting of one of ``assumptions``, or its default.

        Raises ``InputError`` where the setting is none of its options.
        """
        assumption = next(entry for entry in self.assumptions if entry.name == name)
        value = assumed.get(name, assumption.default)
        if assumption.options and value not in assumption.options:
            raise InputError(
                f"{name} is {value!r}; it is one of {', '.join(assumption.options)}.",
                field=name,
                value=value,
                limit=", ".join(assumption.options),
                remedy=f"Correct it in the settings, or leave it out for {assumption.default}.",
            )
        return value

    def assumed_number(self, assumed: Mapping[str, str], name: str) -> Decimal:
        """``assumed_value`` of a setting that is an amount over zero."""
        number = parse_usd(self.assumed_value(assumed, name), field=name)
        if number == 0:
            raise InputError(
                f"{name} is 0; it is a number over 0.",
                field=name,
                value=0,
                limit="over 0",
                remedy="Correct it in the settings, or leave it out.",
            )
        return number


def _role(arguments_model: type[BaseModel], name: str) -> object:
    extra = arguments_model.model_fields[name].json_schema_extra
    return extra.get("viseme") if isinstance(extra, dict) else None
