"""What a job works with: home, settings, ledger, where it goes, and how it is watched."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from pathlib import Path

from ..account import account_id
from ..addresses import origin_of
from ..download import FetchRules
from ..home import Home
from ..ledger import Ledger
from ..media import MediaGuard, MediaLimits
from ..model import SourceFile, Vendor
from ..secret import Secret
from ..services import SERVICES, Service
from ..settings import Settings
from ..transport import Transport
from .destination import Destination, is_alive
from .signals import CancelToken, Report, silent

MOST_BYTES_A_SECOND = 50_000_000  # twice what 4K at the highest quality takes
LEAST_RESULT_CAP_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Workplace:
    """One home with its settings and its ledger.

    ``brought`` are the results that were brought here with it, as they were when they were put in
    place: while nothing has touched one, it need not be read again for its digest.
    """

    home: Home
    settings: Settings
    ledger: Ledger
    brought: dict[Path, SourceFile] = field(default_factory=dict, compare=False)


@dataclass
class Watch:
    """How a job is stopped and watched, and how long it may take.

    ``time_limit_seconds`` may grow while the job goes on; None leaves it to the settings.
    """

    cancel: CancelToken = field(default_factory=CancelToken)
    report: Report = silent
    time_limit_seconds: float | None = None


def service_for(
    vendor: Vendor, destination: Destination, transport: Transport, place: Workplace
) -> Service:
    """The vendor's service with the key for this destination. Raises CredentialError."""
    secret = destination.secret(vendor, place.home)
    return SERVICES[vendor](transport, secret, place.settings)


def service_without_key(vendor: Vendor, transport: Transport, place: Workplace) -> Service:
    """The vendor's service for who asks nothing of the vendor: what it knows, no calls."""
    return SERVICES[vendor](transport, Secret("no-key"), place.settings)


def account_at(vendor: Vendor, destination: Destination, place: Workplace) -> str:
    """The keyed hash that stands for the account. Raises CredentialError."""
    return account_id(
        vendor,
        destination.secret(vendor, place.home),
        place.home,
        has_purchases=lambda: bool(place.ledger.list(limit=1)),
    )


def fetch_rules(
    vendor: Vendor,
    destination: Destination,
    settings: Settings,
    longest_seconds: Fraction | None = None,
) -> FetchRules:
    """From where results may be fetched, and how large one may be.

    http and loopback only where named by origin. ``longest_seconds`` is the most that the result
    should last, where that is known: a body that never ends is given up long before the disk is
    full. A ``max_download_bytes`` that the user has set holds instead.
    """
    named = (
        frozenset(origin_of(url) for url in settings.base_urls.values())
        if destination.is_live
        else destination.addresses.origins()
    )
    own = SERVICES[vendor].result_hosts
    allowed = tuple(host.removeprefix("*") for host in settings.trusted_result_hosts)
    return FetchRules(
        trusted_origins=named,
        vendor_hosts=(*own, *allowed),
        max_bytes=_most_bytes(settings, longest_seconds),
        whole_timeout_seconds=settings.download_timeout_seconds,
    )


def _most_bytes(settings: Settings, longest_seconds: Fraction | None) -> int:
    """What the user has set; else what the length that is expected may take, but no more than that
    setting's default."""
    most_bytes = settings.max_download_bytes
    if longest_seconds is None or "max_download_bytes" in settings.model_fields_set:
        return most_bytes
    return min(most_bytes, LEAST_RESULT_CAP_BYTES + ceil(longest_seconds * MOST_BYTES_A_SECOND))


def lease_owner() -> str:
    """Who works on a job: where process ids mean what they mean here, and this process' own."""
    return f"{_where_ids_hold()}/{os.getpid()}"


def owner_is_gone(owner: str) -> bool:
    """Whether a lease's owner provably runs no more: a process that has ended, of where ids hold.

    Not of one that was written by an earlier Viseme on a system where ids hold only in part of a
    machine: its text does not say in which.
    """
    where, _, process_id = owner.rpartition("/")
    return where == _where_ids_hold() and process_id.isdigit() and not is_alive(int(process_id))


def _where_ids_hold() -> str:
    """The machine; on Linux with this start of it and the namespace of process ids besides.

    A container may have its host's name and see none of its processes.
    """
    parts = [socket.gethostname()]
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii")
        namespace = Path("/proc/self/ns/pid").readlink().name  # pid:[4026531836]
        parts += [boot.strip().replace("-", "")[:16], namespace.strip("pid:[]")]
    return "/".join(parts)


def media_limits(settings: Settings) -> MediaLimits:
    """The limits on files that settings.json sets."""
    limits = settings.media_limits
    return MediaLimits(
        max_pixels=limits.max_pixels,
        max_frames=limits.max_frames,
        max_seconds=limits.max_seconds,
        max_streams=limits.max_streams,
        max_bytes=limits.max_bytes,
        max_check_bytes=limits.max_check_bytes,
    )


def media_guard(place: Workplace) -> MediaGuard:
    """The guard that every file of others goes through before it is read here."""
    return MediaGuard(place.home.verdicts, media_limits(place.settings))
