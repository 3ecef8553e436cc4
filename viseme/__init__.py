"""Hosted lip-sync, bought once: the core of Viseme, which knows nothing of ComfyUI."""

__version__ = "0.1.0"
