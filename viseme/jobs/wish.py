"""What somebody asks for, and what would happen: wish, order, plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..endpoints import endpoint as endpoint_by_id
from ..endpoints.base import Endpoint, Order
from ..errors import InputError
from ..model import Carry, Footage, Plan, Purchase, RemoteMedia, Speech

if TYPE_CHECKING:
    from ..settings import Settings
    from .writing import WriteClip, WriteRecording

MOST_TAKES = 10**9


@dataclass(frozen=True, slots=True)
class Wish:
    """One lip-sync as it is asked for, its parts not yet checked together.

    ``given`` is nested by documented name and plain JSON, an edit plan under ``edits`` among it.
    With an edit plan the speech is cut as the frames are, unless ``sound_is_edited`` says that it
    is the final track already. ``write_footage`` and ``write_speech`` make the files of media that
    are none yet; they are called only when something is really bought.
    """

    endpoint_id: str
    given: Mapping[str, Any] = field(default_factory=dict)
    footage: Footage | None = None
    speech: Speech | None = None
    sound_is_edited: bool = False
    carry: Carry = Carry.AUTO
    take: int = 1
    write_footage: WriteClip | None = None
    write_speech: WriteRecording | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """A wish that can be bought, with its one purchase."""

    wish: Wish
    endpoint: Endpoint
    order: Order
    plan: Plan

    @property
    def purchase(self) -> Purchase:
        return self.plan.purchases[0]


def make_plan(wish: Wish, settings: Settings) -> Planned:
    """Check a wish against its endpoint, predict the result and quote it.

    Pure: costs nothing, sends nothing. Raises InputError.
    """
    endpoint = endpoint_by_id(wish.endpoint_id)
    assumed = settings.assumed
    check_carry(endpoint, wish.carry)
    check_take(wish.take)
    given = {**_defaults_of_settings(endpoint, settings), **wish.given}
    order = endpoint.order(given, wish.footage, wish.speech)
    timing = endpoint.predict(order, assumed)
    purchase = Purchase(
        endpoint_id=endpoint.id,
        arguments=order.arguments.model_dump(mode="json"),
        footage=order.footage,
        speech=order.speech,
        timing=timing,
        quote=endpoint.quote(order, timing, assumed),
        item_count=endpoint.item_count(order),
        warnings=(*order.warnings, *_unseen(order)),
    )
    return Planned(wish, endpoint, order, Plan((purchase,)))


def _defaults_of_settings(endpoint: Endpoint, settings: Settings) -> dict[str, Any]:
    """Arguments whose default is a setting; none of them changes the picture."""
    if "result_lifetime_seconds" in endpoint.arguments_model.model_fields:
        return {"result_lifetime_seconds": settings.fal_result_lifetime_seconds}
    return {}


def _unseen(order: Order) -> list[str]:
    """What cannot be said of media that only the vendor sees."""
    unseen = [
        what
        for what, medium in (("clip", order.footage), ("speech", order.speech))
        if isinstance(medium, RemoteMedia)
    ]
    if not unseen:
        return []
    return [
        f"The {' and the '.join(unseen)} will be fetched by the vendor itself: limits are not "
        "checked here, and length and price are not fully known."
    ]


def check_carry(endpoint: Endpoint, carry: Carry) -> None:
    """Raise InputError for a way of carrying media that the vendor lacks."""
    if carry is Carry.AUTO or carry in endpoint.carries:
        return
    ways = ", ".join(["auto", *(way.value for way in endpoint.carries)])
    raise InputError(
        f"{endpoint.vendor.label} does not take media by {carry.value}.",
        field="--carry",
        value=carry.value,
        limit=ways,
        remedy=f"Leave --carry out, or use one of: {ways}.",
    )


def check_take(take: int) -> None:
    """Raise InputError for a take that is no number from 1 to MOST_TAKES."""
    if not 1 <= take <= MOST_TAKES:
        raise InputError(
            f"Takes are numbered from 1 to {MOST_TAKES}, not {take}.",
            field="--take",
            value=take,
            limit=f"1 to {MOST_TAKES}",
            remedy="Leave --take out for the first one.",
        )
