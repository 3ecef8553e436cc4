"""Keys: found, kept, and never shown."""

from __future__ import annotations

import json
import logging
import os
import shlex
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import CredentialError, LocalError
from .home import Home
from .model import Vendor
from .secret import Secret

_log = logging.getLogger(__name__)

ENVIRONMENT_VARIABLES: Mapping[Vendor, str] = {
    Vendor.FAL: "FAL_KEY",
    Vendor.AIMLAPI: "AIML_API_KEY",
    Vendor.RUNWARE: "RUNWARE_API_KEY",
}
# What every sandbox is sent; a user's key never goes there.
_SANDBOX_KEYS: Mapping[Vendor, str] = {
    Vendor.FAL: "sandbox-id:sandbox-secret",
    Vendor.AIMLAPI: "sandbox",
    Vendor.RUNWARE: "sandbox",
}
_KEYRING_SERVICE = "viseme"


@dataclass(frozen=True, slots=True)
class Credential:
    """A key and where it is from: a variable's name, ``keyring``, a path, or ``sandbox``."""

    secret: Secret
    origin: str


@dataclass(frozen=True, slots=True)
class Status:
    """Whether a key is set, and where: all that a page or ``doctor`` may learn."""

    vendor: Vendor
    is_set: bool
    origin: str | None


def load(vendor: Vendor, home: Home, *, environment: Mapping[str, str] | None = None) -> Credential:
    """The vendor's key: from the environment, else the system's keyring, else credentials.json.

    Raises ``CredentialError`` when there is none.
    """
    found = _find(vendor, home, environment)
    if found is None:
        raise CredentialError(
            f"No key for {vendor.label} is set.",
            field=ENVIRONMENT_VARIABLES[vendor],
            remedy=f"Give `{home.command('login', vendor.value)}`, or set the environment variable "
            f"{ENVIRONMENT_VARIABLES[vendor]}.",
        )
    return found


def sandbox_credential(vendor: Vendor) -> Credential:
    """The fixed key that a sandbox is sent."""
    return Credential(Secret(_SANDBOX_KEYS[vendor]), "sandbox")


def status(vendor: Vendor, home: Home, *, environment: Mapping[str, str] | None = None) -> Status:
    found = _find(vendor, home, environment)
    return Status(vendor, found is not None, None if found is None else found.origin)


def store(vendor: Vendor, secret: Secret, home: Home) -> str:
    """Keep a key for this home, in the keyring where that works, else in credentials.json.

    Returns where it is now. Raises ``CredentialError`` for a text that cannot be a key, and
    ``LocalError`` when it cannot be written.
    """
    text = secret.reveal().strip()
    if not text or any(character.isspace() or not character.isprintable() for character in text):
        raise CredentialError(
            f"That is not a key of {vendor.label}: it is empty, or has spaces or line ends in it.",
            field="key",
            remedy=f"Copy the key alone, then give `{home.command('login', vendor.value)}`.",
        )
    if vendor is Vendor.FAL and ":" not in text:
        raise CredentialError(
            "That is not a key of fal: it has the form id:secret, and there is no colon.",
            field="key",
            remedy=f"Copy the whole key, then give `{home.command('login', vendor.value)}`.",
        )
    if not text.isascii():
        raise CredentialError(
            f"That is not a key of {vendor.label}: it has a character that no key has.",
            field="key",
            remedy=f"Copy the key alone, then give `{home.command('login', vendor.value)}`.",
        )
    home.create()
    if _write_to_keyring(vendor, home, text):
        _rewrite_file(vendor, home, None)
        return "keyring"
    _rewrite_file(vendor, home, text)
    return str(home.credentials)


def forget(vendor: Vendor, home: Home) -> tuple[str, ...]:
    """Remove the vendor's key of this home; returns from where. The environment is not touched."""
    removed = []
    if _delete_from_keyring(vendor, home):
        removed.append("keyring")
    if home.credentials.exists() and _rewrite_file(vendor, home, None):
        removed.append(str(home.credentials))
    return tuple(removed)


def _find(vendor: Vendor, home: Home, environment: Mapping[str, str] | None) -> Credential | None:
    variable = ENVIRONMENT_VARIABLES[vendor]
    given = (os.environ if environment is None else environment).get(variable, "").strip()
    if given:
        return Credential(Secret(given), variable)
    kept = _read_from_keyring(vendor, home)
    if kept:
        return Credential(Secret(kept), "keyring")
    written = _read_file(home).get(vendor.value)
    if written:
        return Credential(Secret(written), str(home.credentials))
    return None


# credentials.json


def _read_file(home: Home) -> dict[str, str]:
    try:
        text = home.credentials.read_text(encoding="utf-8")
        mode = stat.S_IMODE(home.credentials.stat().st_mode)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(home, "it cannot be read") from error
    if os.name == "posix" and mode & 0o077:
        _log.warning(
            "Other users can read the keys in %s (mode %04o). Give `chmod 600 %s`.",
            home.credentials,
            mode,
            shlex.quote(str(home.credentials)),
        )
    try:
        document = json.loads(text)
    except ValueError:
        # Not chained: the error holds the whole text.
        raise _unreadable(home, "it is not JSON") from None
    if not isinstance(document, dict) or not all(isinstance(v, str) for v in document.values()):
        raise _unreadable(home, "it is not a list of vendors and keys")
    return document


def _unreadable(home: Home, why: str) -> CredentialError:
    return CredentialError(
        f"{home.credentials} is of no use: {why}.",
        field="credentials.json",
        value=home.credentials,
        remedy=f"Remove it, then give `{home.command('login', 'VENDOR')}` for each vendor.",
    )


def _rewrite_file(vendor: Vendor, home: Home, text: str | None) -> bool:
    """Set or remove one key; whether the file has changed. Whole at every moment, mode 0600."""
    before = _read_file(home)
    after = {name: key for name, key in before.items() if name != vendor.value}
    if text is not None:
        after[vendor.value] = text
    if after == before:
        return False
    try:
        _replace_file(home.credentials, json.dumps(after, indent=2, sort_keys=True) + "\n")
    except OSError as error:
        raise LocalError(
            f"{home.credentials} cannot be written: {error.strerror}.",
            field="credentials.json",
            value=home.credentials,
            remedy=f"Make room in {home.root} and make it writable, then give the command again.",
        ) from error
    return True


def _replace_file(path: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


# The system's keyring. It is optional, and often there but out of order (no session bus, locked):
# whatever it raises means that it has no key.


def _keyring_name(vendor: Vendor, home: Home) -> str:
    return f"{vendor.value} {home.root}"


def _read_from_keyring(vendor: Vendor, home: Home) -> str | None:
    try:
        import keyring

        found: str | None = keyring.get_password(_KEYRING_SERVICE, _keyring_name(vendor, home))
    except Exception as error:  # noqa: BLE001
        _log.debug("The keyring cannot be read (%s).", type(error).__name__)
        return None
    return found


def _write_to_keyring(vendor: Vendor, home: Home, text: str) -> bool:
    try:
        import keyring

        keyring.set_password(_KEYRING_SERVICE, _keyring_name(vendor, home), text)
    except Exception as error:  # noqa: BLE001
        _log.debug("The keyring cannot be written (%s).", type(error).__name__)
        return False
    # Some backends drop what they are given.
    return _read_from_keyring(vendor, home) == text


def _delete_from_keyring(vendor: Vendor, home: Home) -> bool:
    if _read_from_keyring(vendor, home) is None:
        return False
    try:
        import keyring

        keyring.delete_password(_KEYRING_SERVICE, _keyring_name(vendor, home))
    except Exception as error:
        raise LocalError(
            f"The key of {vendor.label} could not be removed from the keyring "
            f"({type(error).__name__}).",
            field="keyring",
            remedy=f"Remove the entry {_keyring_name(vendor, home)!r} of {_KEYRING_SERVICE!r} "
            "with your system's password manager.",
        ) from error
    return True
