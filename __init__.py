"""Viseme: hosted lip-sync as ComfyUI nodes. ComfyUI loads this file; it has nothing else."""

from .nodes.extension import comfy_entrypoint

WEB_DIRECTORY = "./web"

__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]
