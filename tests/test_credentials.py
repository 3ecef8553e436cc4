from __future__ import annotations

import base64
import copy
import dataclasses
import io
import json
import logging
import os
import pickle
import stat
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from viseme.account import account_id
from viseme.credentials import (
    ENVIRONMENT_VARIABLES,
    Credential,
    forget,
    load,
    sandbox_credential,
    status,
    store,
)
from viseme.errors import CredentialError, LocalError
from viseme.home import Home
from viseme.model import Vendor
from viseme.secret import RedactingFilter, Secret, redact

REPOSITORY = Path(__file__).resolve().parents[1]
CANARY = "0b1c2d3e-canary-4f5a:s3cr3t/canary+value==9f8e7d"
NOTHING: dict[str, str] = {}


@pytest.fixture(autouse=True)
def keyring_without_a_backend() -> Iterator[None]:
    """A keyring that is installed and out of order, as on a server."""
    try:
        import keyring
        from keyring.backends import fail
    except ModuleNotFoundError:
        yield
        return
    before = keyring.get_keyring()
    keyring.set_keyring(fail.Keyring())  # type: ignore[no-untyped-call]
    yield
    keyring.set_keyring(before)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()


# A secret never prints


def written(key: str) -> list[str]:
    """A key and its parts, in every way that they get written."""
    found = []
    for part in (key, *key.split(":")):
        found += [part, quote(part), quote(part, safe=""), quote_plus(part), json.dumps(part)[1:-1]]
        found += [quote(part, safe="").lower(), base64.b64encode(part.encode()).decode()]
    return found


def forms(key: str) -> list[str]:
    """What must be nowhere: also the middle of each base64, which no neighbour changes."""
    found = written(key)
    for part in (key, *key.split(":")):
        for prefix in ("", "a", "ab"):
            encoded = base64.b64encode(f"{prefix}{part}".encode()).decode().rstrip("=")
            found.append(encoded[4 if prefix else 0 : -2])
    return found


def fail(*details: object) -> None:
    raise RuntimeError(*details)


def assert_clean(text: str) -> None:
    for form in forms(CANARY):
        assert form not in text, form


def test_a_secret_shows_itself_in_no_way_but_one() -> None:
    secret = Secret(CANARY)
    holder = Credential(secret, "FAL_KEY")
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>80}", f"{secret!r}"]
    shown += [repr(holder), str(holder), repr([holder]), repr(dataclasses.asdict(holder))]
    shown += [repr(copy.copy(secret)), repr(copy.deepcopy(holder))]
    shown += [f"{secret!s:5}"]
    for text in shown:
        assert_clean(text)
    assert secret.reveal() == CANARY
    assert copy.deepcopy(holder).secret.reveal() == CANARY


def test_a_secret_can_be_neither_pickled_nor_written_as_json() -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError) as raised:
            pickle.dumps({"a": [Secret(CANARY)]}, protocol)
        assert_clean(str(raised.value))
    with pytest.raises(TypeError) as raised:
        json.dumps({"key": Secret(CANARY)})
    assert_clean(str(raised.value))
    assert_clean(json.dumps({"key": Secret(CANARY)}, default=str))


def test_a_secret_does_not_show_in_a_traceback_that_shows_variables() -> None:
    secret = Secret(CANARY)
    try:
        fail(f"failed with {secret}", secret)
    except RuntimeError as error:
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    assert "secret = " in "".join(shown.format())
    assert_clean("".join(shown.format()))


def test_secrets_are_compared_by_their_text() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("ä")}) == 2
    assert not Secret("")


# Texts that keys are taken out of


@pytest.mark.parametrize("form", written(CANARY))
def test_every_form_of_a_key_is_taken_out(form: str) -> None:
    cleaned = redact(f"before {form} after", [Secret(CANARY)])
    assert_clean(cleaned)
    assert cleaned.startswith("before ***")


@pytest.mark.parametrize("offset", range(6))
def test_a_key_inside_a_longer_base64_text_is_taken_out(offset: int) -> None:
    whole = base64.b64encode(b"x" * offset + CANARY.encode() + b"tail").decode()
    assert_clean(redact(whole, [Secret(CANARY)]))
    url_safe = base64.urlsafe_b64encode(b"x" * offset + CANARY.encode()).decode()
    assert "***" in redact(url_safe, [Secret(CANARY)])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "GET https://cdn.example.com/a/b.mp4?X-Tos-Signature=abc&X-Tos-Expires=86400 failed",
            "GET https://cdn.example.com/a/b.mp4?*** failed",
        ),
        ("<https://user:pw@h.example/p#token>", "<https://h.example/p>"),
        (
            "https://api.aimlapi.com/v2/video/generations?generation_id=z-1%3A2",
            "https://api.aimlapi.com/v2/video/generations?generation_id=z-1%3A2",
        ),
        ("https://h.example/p?logs=1&sig=x", "https://h.example/p?***"),
        ("https://h.example/p", "https://h.example/p"),
        (
            '{"video_url": "data:video/mp4;base64,AAAAIGZ0eXBpc29t", "x": 1}',
            '{"video_url": "data:video/mp4;base64,[16 characters left out]", "x": 1}',
        ),
        ("data:;base64,QUJD", "data:;base64,[4 characters left out]"),
        ("Authorization: Bearer abcdefghijklmnopqrst", "Authorization: Bearer ***"),
        ("Authorization: Key id-id-id-id:secret-secret", "Authorization: Key ***"),
        ("No user found for Key ID and Secret", "No user found for Key ID and Secret"),
        ("the sandbox: start it with viseme sandbox", "the sandbox: start it with viseme sandbox"),
    ],
)
def test_urls_data_and_authorizations_are_shortened(text: str, expected: str) -> None:
    sandboxes = [sandbox_credential(vendor).secret for vendor in Vendor]
    assert redact(text) == expected
    assert redact(text, sandboxes) == expected
    assert redact(redact(text)) == expected


def test_a_log_shows_no_key_not_even_in_tracebacks() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactingFilter([Secret(CANARY)]))
    logger = logging.getLogger("test.canary")
    logger.propagate = False
    logger.addHandler(handler)
    try:
        logger.warning("key %s at %s", CANARY, "https://h.example/p?Signature=abcdef")
        logger.warning("mapping %(key)s", {"key": quote(CANARY, safe="")})
        try:
            fail(CANARY)
        except RuntimeError:
            logger.exception("failed %r", Secret(CANARY), stack_info=True)
    finally:
        logger.removeHandler(handler)
    text = stream.getvalue()
    assert_clean(text)
    assert "Signature" not in text
    assert "Traceback" in text
    assert "key *** at https://h.example/p?***" in text


# Where keys are found and kept


@pytest.mark.parametrize("vendor", Vendor)
def test_no_key_is_an_error_with_a_command_line(vendor: Vendor, home: Home) -> None:
    with pytest.raises(CredentialError) as raised:
        load(vendor, home, environment=NOTHING)
    assert raised.value.exit_code == 3
    assert raised.value.field == ENVIRONMENT_VARIABLES[vendor]
    assert home.command("login", vendor.value) in str(raised.value)
    assert str(home.root) in home.command("login", vendor.value)
    assert not status(vendor, home, environment=NOTHING).is_set


def test_the_environment_is_stronger_than_the_file(home: Home) -> None:
    assert store(Vendor.FAL, Secret(CANARY), home) == str(home.credentials)
    found = load(Vendor.FAL, home, environment=NOTHING)
    assert found == Credential(Secret(CANARY), str(home.credentials))
    found = load(Vendor.FAL, home, environment={"FAL_KEY": " other:key \n"})
    assert found == Credential(Secret("other:key"), "FAL_KEY")
    known = status(Vendor.FAL, home, environment=NOTHING)
    assert (known.is_set, known.origin) == (True, str(home.credentials))
    assert_clean(repr(known))
    assert not status(Vendor.RUNWARE, home, environment=NOTHING).is_set


def test_each_vendor_has_its_key_and_forgets_its_own(home: Home) -> None:
    store(Vendor.FAL, Secret("a:b"), home)
    store(Vendor.RUNWARE, Secret("r"), home)
    store(Vendor.RUNWARE, Secret("r2"), home)
    assert forget(Vendor.FAL, home) == (str(home.credentials),)
    assert forget(Vendor.FAL, home) == ()
    assert load(Vendor.RUNWARE, home, environment=NOTHING).secret == Secret("r2")
    assert json.loads(home.credentials.read_text()) == {"runware": "r2"}
    assert not [file for file in home.root.iterdir() if file.name.startswith(".")]


@pytest.mark.parametrize("text", ["", "  ", "two words", "line\nend", "kéy:x", "a:\x00b"])
def test_what_cannot_be_a_key_is_not_kept(home: Home, text: str) -> None:
    with pytest.raises(CredentialError):
        store(Vendor.FAL, Secret(text), home)
    assert not home.credentials.exists()


def test_a_key_of_fal_has_two_parts(home: Home) -> None:
    with pytest.raises(CredentialError, match="colon") as raised:
        store(Vendor.FAL, Secret("onlyonepart"), home)
    assert "onlyonepart" not in str(raised.value)


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_the_file_is_private_and_a_broader_one_is_told(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    old_mask = os.umask(0)
    try:
        store(Vendor.FAL, Secret(CANARY), home)
    finally:
        os.umask(old_mask)
    assert stat.S_IMODE(home.credentials.stat().st_mode) == 0o600
    load(Vendor.FAL, home, environment=NOTHING)
    assert not caplog.records
    home.credentials.chmod(0o644)
    load(Vendor.FAL, home, environment=NOTHING)
    assert "chmod 600" in caplog.text
    assert "0644" in caplog.text
    assert_clean(caplog.text)
    store(Vendor.RUNWARE, Secret("r"), home)
    assert stat.S_IMODE(home.credentials.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content",
    [CANARY.encode(), b"[1]", b'{"fal": 1}', b"\xff\xfe", f'{{"fal": "{CANARY}"'.encode()],
)
def test_a_damaged_file_is_told_without_its_content(home: Home, content: bytes) -> None:
    home.credentials.write_bytes(content)
    home.credentials.chmod(0o600)
    with pytest.raises(CredentialError) as raised:
        load(Vendor.FAL, home, environment=NOTHING)
    error: BaseException | None = raised.value
    assert str(home.credentials) in str(error)
    assert_clean("".join(traceback.format_exception(raised.value)))


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").create()
    home.credentials.mkdir()
    with pytest.raises((LocalError, CredentialError)) as raised:
        store(Vendor.FAL, Secret(CANARY), home)
    assert_clean(str(raised.value))


FILE_KEYRING = """
import json
from pathlib import Path
from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

class FileKeyring(KeyringBackend):
    priority = 1
    file = Path(__file__).with_name("kept.json")

    def _kept(self):
        return json.loads(self.file.read_text()) if self.file.exists() else {}

    def get_password(self, service, username):
        return self._kept().get(f"{service}/{username}")

    def set_password(self, service, username, password):
        self.file.write_text(json.dumps(self._kept() | {f"{service}/{username}": password}))

    def delete_password(self, service, username):
        kept = self._kept()
        if kept.pop(f"{service}/{username}", None) is None:
            raise PasswordDeleteError(username)
        self.file.write_text(json.dumps(kept))
"""

USE_KEYRING = """
import sys
from pathlib import Path
from viseme.credentials import forget, load, store, status
from viseme.errors import CredentialError
from viseme.home import Home
from viseme.model import Vendor
from viseme.secret import Secret

home, other = Home(Path(sys.argv[1])), Home(Path(sys.argv[2]))
print(store(Vendor.FAL, Secret("old:in-keyring"), home))
print(status(Vendor.FAL, home, environment={}).origin)
print(load(Vendor.FAL, home, environment={}).secret.reveal())
print(load(Vendor.FAL, home, environment={"FAL_KEY": "x:y"}).origin)
print(status(Vendor.FAL, other, environment={}).is_set)
print(home.credentials.exists())
print(forget(Vendor.FAL, home))
print(status(Vendor.FAL, home, environment={}).is_set)
"""


def run_with_keyring(backend: str, folder: Path, text: str, *arguments: object) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", text, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{folder}",
            "PYTHON_KEYRING_BACKEND": backend,
        },
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_keyring_that_works_keeps_the_key_of_each_home(tmp_path: Path) -> None:
    pytest.importorskip("keyring")
    (tmp_path / "file_keyring.py").write_text(FILE_KEYRING)
    lines = run_with_keyring(
        "file_keyring.FileKeyring", tmp_path, USE_KEYRING, tmp_path / "a", tmp_path / "b"
    )
    assert lines == [
        "keyring",
        "keyring",
        "old:in-keyring",
        "FAL_KEY",
        "False",
        "False",
        "('keyring',)",
        "False",
    ]


@pytest.mark.parametrize(
    "backend", ["keyring.backends.null.Keyring", "keyring.backends.fail.Keyring", "no.such.Thing"]
)
def test_a_keyring_out_of_order_leaves_the_key_to_the_file(tmp_path: Path, backend: str) -> None:
    pytest.importorskip("keyring")
    lines = run_with_keyring(backend, tmp_path, USE_KEYRING, tmp_path / "a", tmp_path / "b")
    file = str(tmp_path / "a" / "credentials.json")
    assert lines == [
        file,
        file,
        "old:in-keyring",
        "FAL_KEY",
        "False",
        "True",
        f"('{file}',)",
        "False",
    ]


# Sandboxes and accounts


def test_a_sandbox_is_sent_its_fixed_key_and_needs_none(home: Home) -> None:
    keys = {vendor: sandbox_credential(vendor).secret.reveal() for vendor in Vendor}
    assert keys == {
        Vendor.FAL: "sandbox-id:sandbox-secret",
        Vendor.AIMLAPI: "sandbox",
        Vendor.RUNWARE: "sandbox",
    }
    assert {sandbox_credential(vendor).origin for vendor in Vendor} == {"sandbox"}


def test_an_account_has_one_name_in_a_home_that_tells_nothing(home: Home, tmp_path: Path) -> None:
    name = account_id(Vendor.FAL, Secret(CANARY), home)
    assert name == account_id(Vendor.FAL, Secret(CANARY), Home(home.root))
    assert len(name) == 16
    assert_clean(name)
    others = {
        account_id(Vendor.FAL, Secret(CANARY + "x"), home),
        account_id(Vendor.RUNWARE, Secret(CANARY), home),
        account_id(Vendor.FAL, Secret(CANARY), Home(tmp_path / "other")),
    }
    assert len(others | {name}) == 4
    if os.name == "posix":
        assert stat.S_IMODE(home.account_key.stat().st_mode) == 0o600


# The kernel refuses hard links to this process from then on, as some file systems do.
NO_HARD_LINKS = """
import ctypes, platform, struct, sys
numbers = {"x86_64": (86, 265), "aarch64": (37, 37)}.get(platform.machine())
if sys.platform != "linux" or numbers is None:
    sys.exit(77)
libc = ctypes.CDLL(None)
load, refuse, allow = (0x20, 0, 0, 0), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)
tests = [(0x15, 2 - n, 0, number) for n, number in enumerate(numbers)]
steps = b"".join(struct.pack("HBBI", *step) for step in [load, *tests, allow, refuse])
buffer = ctypes.create_string_buffer(steps, len(steps))
program = struct.pack("HxxxxxxQ", len(steps) // 8, ctypes.addressof(buffer))
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program, 0, 0):
    sys.exit(77)
"""
NAME_ACCOUNTS = """
import sys, time; from pathlib import Path
from viseme.account import account_id; from viseme.home import Home
from viseme.model import Vendor; from viseme.secret import Secret
folder = Path(sys.argv[1])
print("ready", flush=True)
while not (folder / "go").exists():
    time.sleep(0.0001)
for number in range(100):
    print(account_id(Vendor.FAL, Secret("a:b"), Home(folder / str(number))))
"""


@pytest.mark.parametrize("before", ["", NO_HARD_LINKS], ids=["", "without hard links"])
def test_processes_that_name_an_account_at_once_agree(tmp_path: Path, before: str) -> None:
    processes: list[Any] = [
        subprocess.Popen(
            [sys.executable, "-c", before + NAME_ACCOUNTS, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )
        for _ in range(4)
    ]
    ready = [process.stdout.readline() for process in processes]
    (tmp_path / "go").touch()
    said = [process.communicate(timeout=60)[0].split() for process in processes]
    if {process.returncode for process in processes} == {77}:
        pytest.skip("hard links cannot be refused to a process here")
    assert set(ready) == {"ready\n"}
    assert [len(names) for names in said] == [100] * 4
    assert said[0] == said[1] == said[2] == said[3]
    assert len(set(said[0])) == 100
    assert {len(name) for name in said[0]} == {16}


def test_an_account_key_that_is_missing_beside_purchases_is_not_made_anew(home: Home) -> None:
    with pytest.raises(LocalError) as raised:
        account_id(Vendor.FAL, Secret("a:b"), home, has_purchases=lambda: True)
    assert "it is missing" in raised.value.message
    assert not home.account_key.exists()
    # What the remedy says.
    home.account_key.write_text("5" * 64)
    assert len(account_id(Vendor.FAL, Secret("a:b"), home, has_purchases=lambda: True)) == 16


@pytest.mark.parametrize("content", ["", "zz", "ab", "ä"])
def test_a_damaged_account_key_is_never_replaced(home: Home, content: str) -> None:
    home.account_key.write_text(content, encoding="utf-8")
    with pytest.raises(LocalError) as raised:
        account_id(Vendor.FAL, Secret("a:b"), home)
    assert str(home.account_key) in str(raised.value)
    assert home.account_key.read_text(encoding="utf-8") == content
