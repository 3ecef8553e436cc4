"""How each vendor is spoken to. A service knows HTTP and one vendor's protocol, and no endpoint."""

from __future__ import annotations

from ..model import Vendor
from .aimlapi import AimlapiService
from .base import Service
from .fal import FalService
from .runware import RunwareService

SERVICES: dict[Vendor, type[Service]] = {
    service.vendor: service for service in (FalService, AimlapiService, RunwareService)
}

__all__ = ["SERVICES", "Service"]
