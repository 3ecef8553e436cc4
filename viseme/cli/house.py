"""login, logout, sandbox, clean and doctor."""

from __future__ import annotations

import argparse
import getpass
import platform
import sys
from dataclasses import asdict
from importlib import metadata
from typing import Any

from .. import __version__, credentials
from ..endpoints import ENDPOINTS
from ..errors import InputError, VisemeError
from ..home import Home, find_home
from ..jobs.cleanup import clean_up
from ..jobs.signals import CancelToken
from ..ledger import Ledger
from ..model import Vendor
from ..secret import Secret
from ..settings import Settings
from .output import note, print_json, say, table
from .session import open_home, workplace

PACKAGES = ("aiohttp", "av", "blake3", "httpx", "numpy", "platformdirs", "pybase64", "pydantic")
OPTIONAL_PACKAGES = ("SQLAlchemy", "torch", "rich", "keyring", "psycopg")
CODECS = ("libx264", "libvpx-vp9", "aac", "libopus", "flac", "libmp3lame")


def login_verb(options: argparse.Namespace, cancel: CancelToken) -> int:
    """The key is typed unseen, or read from a pipe; never an argument, which others could see."""
    vendor = Vendor(options.vendor)
    home = open_home(options)
    if sys.stdin.isatty():
        key = getpass.getpass(f"{vendor.label} key (not shown): ")
    else:
        key = sys.stdin.readline()
    if not key.strip():
        pipe = home.command("login", vendor.value)
        raise InputError(
            "No key was given.",
            field="key",
            remedy=f"Type it when asked, or give `{pipe} < file-with-the-key`.",
        )
    where = credentials.store(vendor, Secret(key.strip()), home)
    if options.json:
        print_json({"vendor": vendor.value, "is_set": True, "origin": where})
    else:
        say(f"{vendor.label}: the key is kept in {where}")
    return 0


def logout_verb(options: argparse.Namespace, cancel: CancelToken) -> int:
    vendor = Vendor(options.vendor)
    home = find_home(options.home)
    removed = credentials.forget(vendor, home)
    left = credentials.status(vendor, home)
    if options.json:
        print_json({"vendor": vendor.value, "removed": list(removed), "is_set": left.is_set})
        return 0
    say(f"{vendor.label}: removed from {', '.join(removed)}" if removed else "No key was kept.")
    if left.is_set:
        note(f"{vendor.label}: {left.origin} still sets one.")
    return 0


def sandbox_verb(options: argparse.Namespace, cancel: CancelToken) -> int:
    from ..sandbox import SandboxOptions, run_sandbox

    return run_sandbox(
        SandboxOptions(
            home=open_home(options).root,
            port=options.port,
            faults=tuple(options.fault),
            time_scale=options.time_scale,
            render=not options.no_render,
            idle_timeout_seconds=options.idle_seconds,
            json=options.json,
            pixverse_timing=options.pixverse_timing,
        )
    )


def clean_verb(options: argparse.Namespace, cancel: CancelToken) -> int:
    """What is otherwise done now and then on the way to a purchase, done now."""
    limit_bytes = None if options.results_gb is None else round(options.results_gb * 1_000_000_000)
    with workplace(options) as place:
        done = clean_up(place, max_results_bytes=limit_bytes)
    if options.json:
        print_json(asdict(done))
        return 0
    say(
        f"Removed {done.removed_results} results ({done.removed_bytes / 1e6:.1f} MB) and "
        f"{done.removed_leftovers} leftovers; {done.kept_bytes / 1e6:.1f} MB of results are kept."
    )
    return 0


def doctor_verb(options: argparse.Namespace, cancel: CancelToken) -> int:
    home = find_home(options.home)
    document = {
        "viseme": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {name: _version(name) for name in (*PACKAGES, *OPTIONAL_PACKAGES)},
        "codecs": _codecs(),
        "home": {"path": str(home.root), "origin": home.origin, "problems": list(home.problems())},
        "keys": {vendor.value: _key_status(vendor, home) for vendor in Vendor},
        "settings": _settings(home),
        "assumed": _assumed(home),
        "ledger": _ledger(home),
    }
    if options.json:
        print_json(document)
        return 0
    for name, value in document.items():
        if isinstance(value, dict):
            say(f"{name}:")
            say(table([[f"  {key}", _line(inner)] for key, inner in value.items()]))
        else:
            say(f"{name}: {value}")
    return 0


def _line(value: Any) -> str:
    if isinstance(value, dict):
        return "  ".join(f"{inner}" for inner in value.values())
    return ", ".join(str(entry) for entry in value) if isinstance(value, list) else str(value)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _codecs() -> dict[str, str]:
    from av.codec import codecs_available

    return {name: "yes" if name in codecs_available else "missing" for name in CODECS}


def _key_status(vendor: Vendor, home: Home) -> str:
    """Whether a key is set and from where; never the key."""
    try:
        status = credentials.status(vendor, home)
    except VisemeError as problem:
        return home.completed(str(problem))
    return f"set, from {status.origin}" if status.is_set else "not set"


def _settings(home: Home) -> dict[str, Any]:
    try:
        settings = Settings.load(home.settings)
    except VisemeError as problem:
        return {"problem": home.completed(str(problem))}
    return {
        name: {"value": origin.value, "origin": origin.origin}
        for name, origin in settings.origins().items()
    }


def _assumed(home: Home) -> dict[str, Any]:
    """Every vendor value that no document gives, as it is in force."""
    try:
        assumed = Settings.load(home.settings).assumed
        return {
            assumption.name: {
                "value": endpoint.assumed_value(assumed, assumption.name),
                "origin": "file" if assumption.name in assumed else "default",
            }
            for endpoint in ENDPOINTS.values()
            for assumption in endpoint.assumptions
        }
    except VisemeError as problem:
        return {"problem": home.completed(str(problem))}


def _ledger(home: Home) -> dict[str, Any]:
    if not home.ledger.exists():
        return {"path": str(home.ledger), "state": "none yet"}
    try:
        ledger = Ledger.open(home.ledger)
        try:
            problems = ledger.integrity_problems()
            count = len(ledger.list())
        finally:
            ledger.close()
    except VisemeError as problem:
        return {"path": str(home.ledger), "state": home.completed(str(problem))}
    state = "; ".join(problems) if problems else "sound"
    return {"path": str(home.ledger), "state": state, "jobs": count}
