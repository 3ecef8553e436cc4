"""Which account a purchase was made with, told without its key."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tempfile
from pathlib import Path

from .errors import LocalError
from .home import Home
from .model import Vendor
from .secret import Secret


def account_id(vendor: Vendor, secret: Secret, home: Home) -> str:
    """16 hex digits that stand for the account, the same every time in this home.

    A keyed hash: nobody can try keys against it without the random key that lies in home.
    """
    key = _account_key(home)
    text = f"{vendor.value}\0{secret.reveal()}".encode()
    return hmac.new(key, text, hashlib.sha256).hexdigest()[:16]


def _account_key(home: Home) -> bytes:
    try:
        if not home.account_key.exists():
            home.create()
            _create_account_key(home.account_key)
        key = bytes.fromhex(home.account_key.read_text(encoding="ascii").strip())
    except ValueError as error:
        raise _bad_account_key(home, "it is damaged") from error
    except OSError as error:
        raise _bad_account_key(home, error.strerror or "it cannot be used") from error
    if len(key) < 16:
        raise _bad_account_key(home, "it is too short")
    return key


def _create_account_key(path: Path) -> None:
    """Whoever is first decides: a second process finds the file and uses it."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(name, path)
        except FileExistsError:
            return
        except OSError:  # a file system without hard links
            if not path.exists():
                Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def _bad_account_key(home: Home, why: str) -> LocalError:
    return LocalError(
        f"{home.account_key} cannot be used: {why}.",
        field="account.key",
        value=home.account_key,
        remedy="Put a backup of it in its place. Without the same file, earlier purchases are not "
        "known as the same again.",
    )
