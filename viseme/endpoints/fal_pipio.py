"""pipio LipSync with edit ranges, at fal. Source: fal.ai/models/pipio/lipsync."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from .. import edits
from ..errors import InputError
from ..model import (
    Carried,
    Carry,
    Clip,
    Footage,
    InlineMedia,
    Quote,
    Recording,
    Speech,
    Timing,
    Vendor,
    VendorResult,
    WireRequest,
)
from ..money import times
from ._arguments import arguments_of, read_arguments
from ._fal import FalArguments, fal_request, read_fal_video, store_io_warnings
from ._media import clip_of, seconds_of, settle_footage, settle_recorded
from ._pipio_arguments import DEFAULT_PROMPT, NATIVE, STILL_FRAME_RATE, FalPipioArguments
from ._results import media_text
from ._timing import frames_in, unknown_timing
from .base import Assumption, Edited, Endpoint, MediaRules, Order

# Output height up to which a price per second holds.
PRICE_CLASSES = ((1080, Decimal("0.09")), (1440, Decimal("0.16")), (2160, Decimal("0.36")))


@dataclass(frozen=True, slots=True)
class _Shape:
    """What is known of an order before it is sent; None is not known."""

    frame_rate: Fraction | None
    taken_frames: int | None
    width: int | None
    height: int | None


class FalPipio(Endpoint):
    id = "fal-pipio"
    title = "pipio LipSync (fal)"
    model = "pipio LipSync"
    vendor = Vendor.FAL
    vendor_model = "pipio/lipsync"
    source = "https://fal.ai/models/pipio/lipsync"
    arguments_model = FalPipioArguments
    carries = (Carry.INLINE, Carry.UPLOAD)
    video_rules = MediaRules(
        containers=frozenset({"mp4", "mov", "webm", "png", "jpeg", "webp"}),
        codecs=frozenset({"h264", "vp9", "png", "mjpeg", "webp"}),
        source="fal.ai (pipio/lipsync)",
    )
    sound_rules = MediaRules(
        containers=frozenset({"wav", "mp3"}),
        codecs=frozenset({"pcm_s16le", "mp3"}),
        source="fal.ai (pipio/lipsync)",
    )
    takes_still = True
    takes_edits = True
    video_field = "video"
    audio_field = "audio"
    assumptions = (
        Assumption(
            "pipio_edit_frames",
            "before_edits",
            "All edits count frames of the clip as it was before any of them, at the result's "
            "rate, and the result has num_frames + additions - removals + bridges of them.",
            ("before_edits",),
        ),
        Assumption(
            "pipio_size_rounding",
            "down",
            "A height or width of -k is the native one divided by k, rounded down.",
            ("down",),
        ),
        Assumption(
            "pipio_price_class",
            "range",
            "Which side is meant by 1080p, 1440p and 2160p: the height, or the shorter side. They "
            "differ for upright videos; range quotes both. Below 1080p the price of 1080p is "
            "assumed.",
            ("range", "height", "shorter_side"),
        ),
    )

    def order(
        self, given: Mapping[str, Any], footage: Footage | None, speech: Speech | None
    ) -> Order:
        """As ``Endpoint.order``; ``given["edits"]`` may be an ``EditPlan``, or one as JSON."""
        others = {name: value for name, value in given.items() if name != "edits"}
        arguments = read_arguments(self.id, FalPipioArguments, others)
        settled, warnings = settle_footage(self, arguments.video, footage)
        spoken, more = settle_recorded(self, arguments.audio, speech)
        update: dict[str, Any] = {"video": None, "audio": None}
        clip = clip_of(settled)
        if clip is not None and clip.is_still and arguments.frame_rate == NATIVE:
            if "frame_rate" in arguments.model_fields_set:
                raise InputError(
                    "frame_rate is -1 (native), but a still image has no frame rate.",
                    field="frame_rate",
                    value=NATIVE,
                    limit="frames per second from 1",
                    remedy=f"Give frames per second, or leave it out for {STILL_FRAME_RATE}.",
                )
            update["frame_rate"] = STILL_FRAME_RATE
        arguments = arguments.model_copy(update=update)
        plan = _plan(arguments, given.get("edits"), clip)
        lists = edits.to_pipio(plan)
        arguments = arguments.model_copy(update={name: lists[name] or None for name in lists})
        order = Order(arguments, settled, spoken, ())
        shape = self._checked_shape(order)
        frame_count = _known_frames(arguments, shape.taken_frames)
        if not plan.is_empty and frame_count is not None:
            edits.validate(plan, frame_count)
        if not plan.is_empty and shape.frame_rate is None and isinstance(spoken, Recording):
            more.append(
                "The speech is sent as it is: edits count frames at a rate not known here. Give "
                "frame_rate to have it cut alike."
            )
        notes = (*_notes(arguments, clip), *store_io_warnings(arguments))
        return Order(arguments, settled, spoken, (*warnings, *more, *notes))

    def _checked_shape(self, order: Order) -> _Shape:
        shape = _shape(order)
        if shape.taken_frames is None and (
            arguments_of(order, FalPipioArguments).num_frames == "all"
        ):
            raise InputError(
                "num_frames is all, but the length of what the URL names is not known.",
                field="num_frames",
                value="all",
                limit="a whole number from 1",
                remedy="Give num_frames, or a file.",
            )
        return shape

    def edited(self, order: Order) -> Edited | None:
        """As ``Endpoint.edited``; also None where frames are counted at a rate not known here."""
        arguments = arguments_of(order, FalPipioArguments)
        plan, shape = _lists_plan(arguments), _shape(order)
        frame_count = _known_frames(arguments, shape.taken_frames)
        if plan.is_empty or shape.frame_rate is None or frame_count is None:
            return None
        return Edited(plan, frame_count, shape.frame_rate)

    def predict(self, order: Order, assumed: Mapping[str, str]) -> Timing:
        shape, plan = _shape(order), _lists_plan(arguments_of(order, FalPipioArguments))
        if shape.taken_frames is None:
            return unknown_timing("the clip is fetched by the vendor; its length is not known here")
        frame_count, basis = shape.taken_frames, f"{shape.taken_frames} frames of the clip"
        if not plan.is_empty:
            frame_count = edits.output_frame_count(plan, frame_count)
            basis += f", {frame_count} after edits"
        return Timing(frame_count, frame_count, shape.frame_rate, shape.width, shape.height, basis)

    def quote(self, order: Order, timing: Timing, assumed: Mapping[str, str]) -> Quote:
        seconds, width, height = timing.seconds_most, timing.width, timing.height
        if seconds is None or width is None or height is None:
            return Quote.unknown(
                "fal bills pipio per second and by height, and these are not known: a URL stands "
                "for the clip."
            )
        mode = self.assumed_value(assumed, "pipio_price_class")
        least_side = height if mode == "height" else min(width, height)
        most_side = min(width, height) if mode == "shorter_side" else height
        least, most = _price_usd(min(least_side, most_side)), _price_usd(most_side)
        if least is None or most is None:
            return Quote.unknown(
                f"fal names prices for pipio up to 2160p; the result would be {width}x{height}."
            )
        price = f"${least}" if least == most else f"${least} to ${most}"
        why = "" if least == most else "; whether upright videos count by height is not documented"
        if most_side < PRICE_CLASSES[0][0]:
            why += "; the price of 1080p, assumed below it"
        return Quote(
            times(least, seconds),
            times(most, seconds),
            f"{price} x {float(seconds):.3f} s of output at {width}x{height}{why}",
        )

    def write_request(
        self, order: Order, video: Carried, sound: Carried | None, *, timing: Timing
    ) -> WireRequest:
        arguments = arguments_of(order, FalPipioArguments)
        own = set(FalPipioArguments.model_fields) - set(FalArguments.model_fields)
        options = arguments.model_dump(include=own, exclude_none=True)
        if arguments.num_frames == "all":
            options["num_frames"] = self._checked_shape(order).taken_frames
        body = {**options, "video": _file(video), "audio": _file(media_text(sound))}
        return fal_request(self.vendor_model, body, arguments)

    def read_result(self, body: Mapping[str, Any], *, expected_items: int = 1) -> VendorResult:
        return read_fal_video(self.id, body)

    def picture_arguments(self, order: Order) -> Mapping[str, Any]:
        picture = dict(super().picture_arguments(order))
        if not arguments_of(order, FalPipioArguments).use_custom_prompt:
            del picture["custom_prompt"]
        picture["num_frames"] = self._asked_frames(order)
        return picture

    def _asked_frames(self, order: Order) -> int | None:
        """Frames asked for, ``all`` counted: it is the same purchase as the number it means."""
        asked = arguments_of(order, FalPipioArguments).num_frames
        return _shape(order).taken_frames if asked == "all" else asked


def _file(media: Carried) -> dict[str, Any]:
    if isinstance(media, InlineMedia):
        return {"url": media, "content_type": media.media_type}
    return {"url": media}


def _price_usd(height: int) -> Decimal | None:
    return next((price for most, price in PRICE_CLASSES if height <= most), None)


def _scaled(field: str, asked: int, native: int) -> int:
    """A side in pixels: as asked, or the native one divided by -asked (assumed: rounded down)."""
    side = asked if asked > 0 else native // -asked
    if side < 1:
        raise InputError(
            f"{field} is {asked}: {native} pixels divided by {-asked} leave none.",
            field=field,
            value=asked,
            limit=f"-1 to -{native}",
            remedy="Divide by less.",
        )
    return side


def _shape(order: Order) -> _Shape:
    arguments, clip = arguments_of(order, FalPipioArguments), clip_of(order.footage)
    asked = arguments.num_frames
    if clip is None:
        is_native = arguments.frame_rate == NATIVE
        return _Shape(None if is_native else Fraction(arguments.frame_rate), None, None, None)
    rate = clip.frame_rate if arguments.frame_rate == NATIVE else Fraction(arguments.frame_rate)
    taken: int | None
    if clip.is_still:
        spoken = seconds_of(order.speech)
        needed = None if spoken is None else frames_in(spoken, rate)
        taken = needed if asked == "all" else asked
    else:
        available = _available_frames(arguments, clip)
        taken = available if asked == "all" else min(asked, available)
    return _Shape(
        rate,
        taken,
        _scaled("width", arguments.width, clip.width),
        _scaled("height", arguments.height, clip.height),
    )


def _known_frames(arguments: FalPipioArguments, taken: int | None) -> int | None:
    """The frames that edits must lie in: those taken, or as many as are asked for at most."""
    if taken is not None or arguments.num_frames == "all":
        return taken
    return arguments.num_frames


def _lists_plan(arguments: FalPipioArguments) -> edits.EditPlan:
    return edits.from_pipio({name: getattr(arguments, name) for name in edits.PIPIO_LISTS})


def _plan(arguments: FalPipioArguments, given: object, clip: Clip | None) -> edits.EditPlan:
    """The edit plan: from ``edits``, or from the four lists as they were given."""
    from_lists = _lists_plan(arguments)
    if given is None:
        return from_lists
    if isinstance(given, edits.EditPlan):
        plan = given
    else:
        if not isinstance(given, (str, Mapping)):
            raise InputError(
                "edits is no edit plan.",
                field="edits",
                value=type(given).__name__,
                limit="an edit plan, or its JSON",
                remedy="See `viseme edits apply --help` for its form.",
            )
        rate = clip.frame_rate if clip is not None else None
        if arguments.frame_rate != NATIVE:
            rate = Fraction(arguments.frame_rate)
        plan = edits.parse(given, rate)
    if not from_lists.is_empty and from_lists != plan:
        raise InputError(
            "An edit plan was given, and edit_* lists too; only one of them can be used.",
            field="edits",
            value="given twice",
            limit="an edit plan or the four lists",
            remedy="Leave out one of them.",
        )
    return plan


def _notes(arguments: FalPipioArguments, clip: Clip | None) -> list[str]:
    notes = []
    if not arguments.use_custom_prompt and arguments.custom_prompt != DEFAULT_PROMPT:
        notes.append("custom_prompt has no effect without use_custom_prompt.")
    asked = arguments.num_frames
    if clip is None or clip.is_still or asked == "all":
        return notes
    available = _available_frames(arguments, clip)
    if asked > available:
        notes.append(f"num_frames is {asked}, and the clip has {available} frames.")
    elif asked < available:
        notes.append(f"num_frames is {asked}: the clip's last {available - asked} frames are cut.")
    return notes


def _available_frames(arguments: FalPipioArguments, clip: Clip) -> int:
    """The clip's frames at the rate that is asked for."""
    if arguments.frame_rate == NATIVE:
        return clip.frame_count
    return frames_in(clip.seconds, Fraction(arguments.frame_rate))
