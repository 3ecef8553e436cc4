"""Which account a purchase was made with, told without its key."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from .errors import LocalError
from .home import Home
from .model import Vendor
from .secret import Secret

WRITING_SECONDS = 1.0  # more than a process takes from making a small file to writing it


def account_id(
    vendor: Vendor,
    secret: Secret,
    home: Home,
    *,
    has_purchases: Callable[[], bool] = lambda: False,
) -> str:
    """16 hex digits that stand for the account, the same every time in this home.

    A keyed hash: nobody can try keys against it without the random key that lies in home. That key
    is made where there is none, but not beside purchases that were made with another one: they
    would not be known again, and be bought again. Raises LocalError then.
    """
    key = _account_key(home, has_purchases)
    text = f"{vendor.value}\0{secret.reveal()}".encode()
    return hmac.new(key, text, hashlib.sha256).hexdigest()[:16]


def _account_key(home: Home, has_purchases: Callable[[], bool]) -> bytes:
    path = home.account_key
    try:
        if not path.exists():
            # Whoever bought made it before: where it is there now, another process was just faster.
            if has_purchases() and not path.exists():
                raise _bad_account_key(home, "it is missing")
            home.create()
            _create_account_key(path)
        key = bytes.fromhex(_written(path))
    except ValueError as error:
        raise _bad_account_key(home, "it is damaged") from error
    except OSError as error:
        raise _bad_account_key(home, error.strerror or "it cannot be used") from error
    if len(key) < 16:
        raise _bad_account_key(home, "it is too short")
    return key


def _written(path: Path) -> str:
    """The file's text; for one that is empty, once the process that makes it has written it."""
    until = time.monotonic() + WRITING_SECONDS
    while not (text := path.read_text(encoding="ascii").strip()) and time.monotonic() < until:
        time.sleep(0.02)
    return text


def _create_account_key(path: Path) -> None:
    """Whoever is first decides: a second process finds the file and uses it."""
    text = secrets.token_hex(32) + "\n"
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        _write(descriptor, text)
        try:
            os.link(name, path)
        except FileExistsError:
            return
        except OSError:  # a file system without hard links
            with suppress(FileExistsError):
                _write(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), text)
    finally:
        Path(name).unlink(missing_ok=True)


def _write(descriptor: int, text: str) -> None:
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _bad_account_key(home: Home, why: str) -> LocalError:
    return LocalError(
        f"{home.account_key} cannot be used: {why}.",
        field="account.key",
        value=home.account_key,
        remedy="Put a backup of it in its place. If there is none, write 64 hexadecimal digits "
        "into it: earlier purchases are then not known as the same again, and the commands that "
        f"made them buy anew; `{home.command('resume', 'ID')}` still brings each home.",
    )
