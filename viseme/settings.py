"""One frozen ``Settings``, from ``<home>/settings.json`` and the environment.

A value in the environment is stronger than one in the file. Every number of a vendor's that no
document gives is a setting, here or, by an endpoint's own name for it, under ``assumed``.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    model_validator,
)

from .endpoints import ENDPOINTS
from .errors import InputError
from .model import Vendor
from .settings_source import (
    ENVIRONMENT_PREFIX,
    Variable,
    flatten,
    read_environment,
    read_file,
    validate,
)

if TYPE_CHECKING:
    from typing_extensions import Self

# Read by others than ``Settings``.
_OTHER_VARIABLES = frozenset({"VISEME_HOME"})
_SPECIAL_VARIABLES = {"sandbox_url": "VISEME_SANDBOX"}

LIVE_BASE_URLS: Mapping[str, str] = MappingProxyType(
    {
        "fal.queue": "https://queue.fal.run",
        "fal.run": "https://fal.run",
        "fal.rest": "https://rest.fal.ai",
        "fal.cdn": "https://v3.fal.media",
        "fal.platform": "https://api.fal.ai",
        "aimlapi": "https://api.aimlapi.com",
        "runware": "https://api.runware.ai/v1",
        "fal.results": "https://v3.fal.media",
        "aimlapi.results": "https://cdn.aimlapi.com",
        "runware.results": "https://vm.runware.ai",
    }
)


_NOT_MONEY = 'must be an amount of US dollars, such as "1.50"'


def _usd(value: object) -> object:
    """Money is text or a number in the file, and never goes through binary fractions."""
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(_NOT_MONEY) from None
    if isinstance(value, bool) or not amount.is_finite():
        raise ValueError(_NOT_MONEY)
    return amount


def _base_url(value: str) -> str:
    """An origin and perhaps a path. What is named here counts as the vendor's own host."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("must be a URL such as https://queue.fal.run") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ValueError("must be a URL that begins with https:// or http:// and names a host")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must be a URL without user, password, query and fragment")
    return value.rstrip("/")


def _host(value: str) -> str:
    name = value.lower().removeprefix("*.")
    if not name or any(character in name for character in "/:@?#* \t") or "." not in name:
        raise ValueError("must be a host name such as example.com or *.example.com")
    return value.lower()


Usd = Annotated[Decimal, BeforeValidator(_usd), Field(ge=0)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
Host = Annotated[str, AfterValidator(_host)]
BaseUrlName = Literal[
    "fal.queue",
    "fal.run",
    "fal.rest",
    "fal.cdn",
    "fal.platform",
    "aimlapi",
    "runware",
    "fal.results",
    "aimlapi.results",
    "runware.results",
]
VendorName = Literal["fal", "aimlapi", "runware"]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_MEGABYTE = 1_000_000
_MEBIBYTE = 1024 * 1024
_DAY_SECONDS = 24 * 60 * 60


def _without_facts_of_sandbox(given: Mapping[str, Any]) -> dict[str, Any]:
    """``base_urls`` may be a sandbox's whole document of addresses, which tells more than URLs."""
    base_urls = given.get("base_urls")
    if not isinstance(base_urls, Mapping):
        return dict(given)
    others = ("sandbox_id", "time_scale", "control")
    return {**given, "base_urls": {k: v for k, v in base_urls.items() if k not in others}}


def _check_assumed(assumed: Mapping[str, str], path: Path) -> None:
    """Raise ``InputError`` for an assumption that no endpoint makes, or a value it cannot have."""
    makers = {entry.name: maker for maker in ENDPOINTS.values() for entry in maker.assumptions}
    for name in assumed:
        if name not in makers:
            close = difflib.get_close_matches(name, makers, n=1)
            raise InputError(
                f"{path}: assumed.{name} is no assumption of any endpoint.",
                field=f"assumed.{name}",
                value=name,
                limit=", ".join(makers),
                remedy=f"Did you mean {close[0]}?" if close else "See `viseme endpoints ENDPOINT`.",
            )
        makers[name].assumed_value(assumed, name)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class PollIntervals(_Frozen):
    """Waits between two questions to a vendor: the first, then each ``growth`` times longer."""

    first_seconds: Annotated[float, Field(gt=0, le=3600)]
    growth: Annotated[float, Field(ge=1, le=10)]
    most_seconds: Annotated[float, Field(gt=0, le=3600)]

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.most_seconds < self.first_seconds:
            raise ValueError("must have a most_seconds that is at least its first_seconds")
        return self

    def after(self, poll_count: int) -> float:
        """Seconds to wait once ``poll_count`` questions were asked."""
        # Beyond this power everything is over the most; larger ones overflow.
        return min(self.first_seconds * self.growth ** min(poll_count, 200), self.most_seconds)


class _FalIntervals(PollIntervals):
    # fal.ai/docs gives no interval; its own clients ask every 0.1 to 0.5 s.
    first_seconds: Annotated[float, Field(gt=0, le=3600)] = 0.5
    growth: Annotated[float, Field(ge=1, le=10)] = 1.25
    most_seconds: Annotated[float, Field(gt=0, le=3600)] = 5.0


class _AimlapiIntervals(PollIntervals):
    # docs.aimlapi.com asks every 15 s, its own client every 10 s.
    first_seconds: Annotated[float, Field(ge=10, le=3600)] = 10.0
    growth: Annotated[float, Field(ge=1, le=10)] = 1.0
    most_seconds: Annotated[float, Field(ge=10, le=3600)] = 15.0


class _RunwareIntervals(PollIntervals):
    # runware.ai/docs/platform/task-polling: 1 to 2 s, growing.
    first_seconds: Annotated[float, Field(gt=0, le=3600)] = 1.0
    growth: Annotated[float, Field(ge=1, le=10)] = 1.5
    most_seconds: Annotated[float, Field(gt=0, le=3600)] = 10.0


class _Polls(_Frozen):
    fal: _FalIntervals = _FalIntervals()
    aimlapi: _AimlapiIntervals = _AimlapiIntervals()
    runware: _RunwareIntervals = _RunwareIntervals()


class _Concurrency(_Frozen):
    """Jobs of one account that are at its vendor at the same time."""

    # fal.ai/docs: new accounts have 2; more wait in fal's queue and are not refused.
    fal: Annotated[int, Field(ge=1, le=1000)] = 10
    aimlapi: Annotated[int, Field(ge=1, le=1000)] = 4
    runware: Annotated[int, Field(ge=1, le=1000)] = 4


class _ListingVisibility(_Frozen):
    """Assumed: seconds until a vendor's own list shows a job that it has accepted.

    No document gives them; fal's list may hold ended jobs only.
    """

    fal: Seconds = 300.0
    aimlapi: Seconds = 60.0
    runware: Seconds = 5.0


class _MediaLimits(_Frozen):
    """What a media file may have before it is refused unread."""

    max_pixels: Annotated[int, Field(ge=1)] = 8192 * 8192
    max_frames: Annotated[int, Field(ge=1)] = 4 * 3600 * 60
    max_seconds: Annotated[int, Field(ge=1)] = 4 * 3600
    max_streams: Annotated[int, Field(ge=1)] = 16
    max_bytes: Annotated[int, Field(ge=1)] = 20_000 * _MEGABYTE
    max_check_bytes: Annotated[int, Field(ge=256 * _MEBIBYTE)] = 1280 * _MEBIBYTE


@dataclass(frozen=True, slots=True)
class Origin:
    """A value in force and where it is from: ``default``, ``file`` or ``environment``."""

    value: str
    origin: Literal["default", "file", "environment"]


class Settings(_Frozen):
    """Everything that can be set. Amounts are US dollars.

    Environment variables are named ``VISEME_`` and the setting in capitals, for those that are not
    mappings or lists: ``VISEME_MAX_USD_PER_JOB=0.50``. ``VISEME_SANDBOX`` is ``sandbox_url``: it
    says which sandbox is used, never whether.

    ``max_usd_per_*`` are caps for live jobs; ``None`` and a vendor left out are no cap; days are
    those of UTC. Bodies and files are in bytes. ``deadline_seconds`` is how long a job may take in
    all, ``poll_outage_seconds`` how long a vendor may be out of reach while it is asked.
    ``trusted_result_hosts`` (``example.com``, ``*.example.com``) are fetched from without a check
    of their address, beside the vendors' own. ``max_results_bytes`` is how much all results may
    take together before those longest unused are cleaned up. With ``accurate_colours`` frames in
    ComfyUI are rounded as they should be, and no longer bit for bit what ComfyUI's own nodes give.
    """

    max_usd_per_job: Usd | None = None
    max_usd_per_vendor_day: Mapping[VendorName, Usd] = Field(default_factory=dict)
    allow_unknown_price: bool = False
    concurrency: _Concurrency = _Concurrency()
    media_limits: _MediaLimits = _MediaLimits()
    accurate_colours: bool = False
    poll: _Polls = _Polls()
    deadline_seconds: Annotated[float, Field(gt=0, le=30 * _DAY_SECONDS)] = 3600.0
    poll_outage_seconds: Seconds = 120.0
    submit_timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 120.0
    upload_timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 300.0
    listing_visibility: _ListingVisibility = _ListingVisibility()
    lease_seconds: Annotated[float, Field(ge=5, le=60)] = 30.0
    inline_body_bytes: Annotated[int, Field(ge=0)] = 4 * _MEBIBYTE
    aimlapi_body_bytes: Annotated[int, Field(ge=100_000)] = 10 * _MEGABYTE
    fal_upload_lifetime_seconds: Annotated[int, Field(ge=60)] = _DAY_SECONDS
    fal_result_lifetime_seconds: Annotated[int, Field(ge=60)] = 7 * _DAY_SECONDS
    multipart_threshold_bytes: Annotated[int, Field(ge=1)] = 100 * _MEGABYTE
    multipart_part_bytes: Annotated[int, Field(ge=5 * _MEBIBYTE)] = 10 * _MEGABYTE
    max_download_bytes: Annotated[int, Field(ge=1)] = 4_000 * _MEGABYTE
    max_results_bytes: Annotated[int, Field(ge=0)] = 50_000 * _MEGABYTE
    base_urls: Mapping[BaseUrlName, BaseUrl] = Field(default_factory=dict)
    download_timeout_seconds: Annotated[float, Field(gt=0, le=_DAY_SECONDS)] = 3600.0
    trusted_result_hosts: tuple[Host, ...] = ()
    sandbox_url: BaseUrl | None = None
    assumed: Mapping[str, str] = Field(default_factory=dict)

    _origins: Mapping[str, Origin] = PrivateAttr(default_factory=dict)

    @classmethod
    def load(cls, path: Path, environment: Mapping[str, str] | None = None) -> Settings:
        """Read ``settings.json`` (none is as good as an empty one) and the environment.

        Raises ``InputError`` naming file or variable, key, value and limit, and for a key that does
        not exist the closest one that does.
        """
        environment = os.environ if environment is None else environment
        given = _without_facts_of_sandbox(read_file(path))
        names = _variable_names()
        defaults = {name: cls.model_fields[name].default for name in names}
        variables = read_environment(environment, names, defaults, _OTHER_VARIABLES)
        settings: Settings = validate(cls, path, given, variables)
        _check_assumed(settings.assumed, path)
        settings._origins = _origins_of(settings, given, variables)
        return settings

    def origins(self) -> Mapping[str, Origin]:
        """Every setting in force by its dotted name, and where it is from; for ``doctor``."""
        return self._origins or _origins_of(self, {}, {})

    @property
    def live_base_urls(self) -> Mapping[str, str]:
        """The base URL of each name that ``/_sandbox/addresses`` has, for live jobs."""
        return {**LIVE_BASE_URLS, **{str(name): url for name, url in self.base_urls.items()}}

    def poll_intervals(self, vendor: Vendor) -> PollIntervals:
        intervals: PollIntervals = getattr(self.poll, vendor.value)
        return intervals

    def listing_visibility_seconds(self, vendor: Vendor) -> float:
        """How long a vendor may take to list what it accepted."""
        seconds: float = getattr(self.listing_visibility, vendor.value)
        return seconds

    def max_usd_per_day(self, vendor: Vendor) -> Decimal | None:
        """The cap on this vendor for one UTC day, whatever the key; ``None`` is no cap."""
        return {str(name): cap for name, cap in self.max_usd_per_vendor_day.items()}.get(
            vendor.value
        )

    def concurrent_jobs(self, vendor: Vendor) -> int:
        count: int = getattr(self.concurrency, vendor.value)
        return count


def _variable_names() -> Mapping[str, str]:
    """The environment variable of each setting that is one value."""
    names = {
        name: f"{ENVIRONMENT_PREFIX}{name.upper()}"
        for name, field in Settings.model_fields.items()
        if field.default is None or isinstance(field.default, (bool, int, float, str))
    }
    return names | _SPECIAL_VARIABLES


def _origins_of(
    settings: Settings, given: Mapping[str, Any], variables: Mapping[str, Variable]
) -> Mapping[str, Origin]:
    in_file = {name for name, _ in flatten(given)}
    values = settings.model_dump() | {"base_urls": dict(settings.live_base_urls)}
    origins = {}
    for name, value in flatten(values):
        if name in variables:
            origins[name] = Origin(str(value), "environment")
        else:
            origins[name] = Origin(str(value), "file" if name in in_file else "default")
    return MappingProxyType(origins)
