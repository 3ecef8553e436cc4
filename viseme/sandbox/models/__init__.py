"""What each model does to a video: one file per model at one vendor."""

from __future__ import annotations

from .aimlapi_pixverse import AimlapiPixverse
from .base import (
    DEFAULT_OPTIONS,
    ContentProblem,
    Model,
    Problem,
    RenderOptions,
)
from .fal_pipio import FalPipio
from .fal_pixverse import FalPixverse
from .fal_sync import FalSync
from .runware_pixverse import RunwarePixverse

MODELS: dict[tuple[str, str], Model] = {
    (model.vendor, model.name): model
    for model in (FalPixverse(), FalSync(), FalPipio(), AimlapiPixverse(), RunwarePixverse())
}

__all__ = ["DEFAULT_OPTIONS", "MODELS", "ContentProblem", "Model", "Problem", "RenderOptions"]
