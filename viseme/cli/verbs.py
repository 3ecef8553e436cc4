"""Which function carries out which verb."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import cast

from ..jobs.signals import CancelToken

Verb = Callable[[argparse.Namespace, CancelToken], int]

# The module that has NAME_verb. Only the one that is asked for is imported: each brings what it
# works with, and a help text should not wait for a database.
_MODULES: Mapping[str, str] = {
    "run": "buy",
    "quote": "buy",
    "demo": "buy",
    "endpoints": "look",
    "edits": "edits",
    "jobs": "jobs",
    "show": "jobs",
    "check": "jobs",
    "resume": "jobs",
    "cancel": "jobs",
    "resubmit": "jobs",
    "discard": "jobs",
    "spend": "jobs",
    "login": "house",
    "logout": "house",
    "sandbox": "house",
    "clean": "house",
    "doctor": "house",
}


def verb_named(name: str) -> Verb:
    """What carries out a verb of the parser's."""
    module = import_module(f".{_MODULES[name]}", __package__)
    return cast("Verb", getattr(module, f"{name}_verb"))
