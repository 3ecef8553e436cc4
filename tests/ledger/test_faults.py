"""Files and disks that cannot be used: each ends in one clear ``LedgerError``."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from viseme.errors import LedgerError
from viseme.ledger import Ledger, NewJob, State
from viseme.ledger.file_systems import file_system_of, is_windows_share

Make = Callable[..., NewJob]
Start = Callable[..., "subprocess.Popen[str]"]

PREPARE = """
import os, sys
from decimal import Decimal
from pathlib import Path
from viseme.errors import LedgerError
from viseme.ledger import Ledger, NewJob, State
from viseme.model import Quote, Vendor

path = Path(sys.argv[1])

def new_job(fingerprint, **more):
    quote = Quote(Decimal("0.10"), Decimal("0.25"), "per second")
    return NewJob(fingerprint, "fal-sync", Vendor.FAL, "live", "account-1", quote, **more)
"""


def refused(path: Path) -> LedgerError:
    with pytest.raises(LedgerError) as raised:
        Ledger.open(path)
    error = raised.value
    assert error.exit_code == 1
    assert error.remedy is not None
    assert str(path) in str(error)
    assert "\n" not in str(error)
    return error


def output(process: subprocess.Popen[str]) -> str:
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    return stdout


@pytest.mark.parametrize(
    "content", [b"This is a text file, not a ledger.\n" * 100, os.urandom(8192), b"x"]
)
def test_garbage_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert "is damaged, or is no ledger" in refused(path).message
    assert path.read_bytes() == content


def test_a_ledger_overwritten_in_the_middle_is_never_read_as_if_it_were_whole(
    path: Path, new_job: Make
) -> None:
    with Ledger.open(path) as ledger:
        for number in range(200):
            ledger.claim(new_job(str(number), arguments={"text": "x" * 500}))
    content = bytearray(path.read_bytes())
    content[4096:-4096] = os.urandom(len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(LedgerError, match="is damaged") as raised, Ledger.open(path) as ledger:
        ledger.list()
    assert "backup" in str(raised.value)


def test_a_ledger_cut_short_is_refused(path: Path, new_job: Make) -> None:
    with Ledger.open(path) as ledger:
        for number in range(50):
            ledger.claim(new_job(str(number), arguments={"text": "x" * 2000}))
    content = path.read_bytes()
    for length in (len(content) // 2, 4096, 100):
        path.write_bytes(content[:length])
        with pytest.raises(LedgerError, match="is damaged"), Ledger.open(path) as ledger:
            ledger.list()


def test_a_database_of_somebody_else_is_refused(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.commit()
    connection.close()
    assert "not a ledger of Viseme's" in refused(path).message
    connection = sqlite3.connect(path)
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master")]
    connection.close()
    assert tables == ["recipes"]


@pytest.mark.parametrize("version", [2, 99, 0])
def test_another_version_is_refused_with_what_to_install(path: Path, version: int) -> None:
    Ledger.open(path).close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE schema_version SET version = ?", (version,))
    connection.commit()
    connection.close()
    error = refused(path)
    assert (error.value, error.limit) == (str(version), "1")
    assert "pip install" in str(error)


def test_an_empty_file_becomes_a_ledger(path: Path, new_job: Make) -> None:
    path.touch()
    with Ledger.open(path) as ledger:
        assert ledger.claim(new_job())[1]


def test_a_folder_in_its_place_is_refused(path: Path) -> None:
    path.mkdir()
    refused(path)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "missing" / "ledger.sqlite3")


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_a_read_only_ledger_is_refused(path: Path, start_program: Start) -> None:
    Ledger.open(path).close()
    path.chmod(0o444)
    path.parent.chmod(0o555)
    # Root may write everywhere, so the program becomes somebody else, who may not get through
    # pytest's private folders by the path, but from where it stands.
    text = PREPARE + (
        "os.chdir(path.parent)\n"
        "if os.getuid() == 0:\n"
        "    os.chown('.', 65534, 65534); os.chown(path.name, 65534, 65534)\n"
        "    os.setgid(65534); os.setuid(65534)\n"
        "try:\n"
        "    Ledger.open(Path(path.name))\n"
        "except LedgerError as error:\n"
        "    print(error)\n"
    )
    try:
        told = output(start_program(text, path))
    finally:
        path.parent.chmod(0o755)
    assert "cannot be opened for writing" in told
    assert "--home" in told


@pytest.mark.skipif(os.name != "posix", reason="resource limits are POSIX's")
def test_a_file_that_cannot_grow_loses_nothing_that_was_written(
    path: Path, start_program: Start
) -> None:
    text = PREPARE + (
        "import resource\n"
        "ledger = Ledger.open(path)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))\n"
        "number = 0\n"
        "try:\n"
        "    while True:\n"
        "        ledger.claim(new_job(str(number), arguments={'text': 'x' * 5000}))\n"
        "        number += 1\n"
        "except LedgerError as error:\n"
        "    print(number, error)\n"
        "assert len(ledger.list()) == number\n"
    )
    number, _, told = output(start_program(text, path)).partition(" ")
    assert int(number) > 3
    assert "disk" in told
    with Ledger.open(path) as ledger:
        assert len(ledger.list()) == int(number)
        assert ledger.integrity_problems() == ()


def test_a_full_disk_says_so_and_loses_nothing(path: Path, new_job: Make) -> None:
    can_mount = sys.platform == "linux" and shutil.which("unshare") and os.getuid() == 0
    if not can_mount:
        pytest.skip("a small disk can be mounted by root on Linux only")
    text = PREPARE + (
        "ledger = Ledger.open(path)\n"
        "number = 0\n"
        "try:\n"
        "    while True:\n"
        "        ledger.claim(new_job(str(number), arguments={'text': 'x' * 5000}))\n"
        "        number += 1\n"
        "except LedgerError as error:\n"
        "    print(error)\n"
        "assert len(ledger.list()) == number > 10, number\n"
        "assert ledger.integrity_problems() == ()\n"
    )
    folder = path.parent / "disk"
    folder.mkdir()
    mount = 'mount -t tmpfs -o size=1m none "$1" && exec "$2" -W error -c "$3" "$1/ledger.sqlite3"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mount, "sh", str(folder), sys.executable, text],
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
        timeout=60,
    )
    if "mount" in done.stderr and done.returncode != 0 and "Traceback" not in done.stderr:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert "the disk is full" in done.stdout
    assert f"Make room in {folder}" in done.stdout


def test_an_error_shows_nothing_of_what_was_ordered(ledger: Ledger, new_job: Make) -> None:
    ledger._database.close()
    shutil.rmtree(ledger.path.parent)
    with pytest.raises(LedgerError) as raised:
        ledger.claim(new_job(arguments={"text": "private words"}))
    cause: BaseException | None = raised.value
    while cause is not None:
        assert "private words" not in f"{cause} {cause!r}"
        cause = cause.__cause__


MOUNTS = [
    "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw",
    "30 22 0:27 / /home rw shared:2 - nfs4 server:/home rw,vers=4.2",
    "31 30 0:28 / /home/a/my\\040disk rw - xfs /dev/sdb rw",
    "damaged line",
]


@pytest.mark.parametrize(
    ("path_text", "expected"),
    [
        ("/var/lib/x", "ext4"),
        ("/home", "nfs4"),
        ("/home/a/.local", "nfs4"),
        ("/homework", "ext4"),
        ("/home/a/my disk/x", "xfs"),
    ],
)
def test_the_file_system_is_that_of_the_deepest_mount(path_text: str, expected: str) -> None:
    assert file_system_of(Path(path_text), MOUNTS) == expected


def mounted(folder: Path, kind: str) -> list[str]:
    """What Linux would say with ``folder`` on such a file system."""
    return [MOUNTS[0], f"30 22 0:27 / {folder.resolve()} rw shared:2 - {kind} server:/x rw"]


def kept_journal_mode(path: Path) -> str:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


NETWORKS = [
    *("nfs4", "cifs", "9p", "virtiofs", "vboxsf", "beegfs", "gpfs"),
    *("fuse", "fuse.sshfs", "fuse.mfs", "fuse.juicefs", "fuse.gcsfuse", "fuse.vmhgfs-fuse"),
    "fuse.of-next-year",
]
LOCAL = ["ext4", "btrfs", "overlay", "tmpfs", "fuseblk", "fuse.ntfs-3g", "fuse.mergerfs"]


@pytest.mark.parametrize("kind", LOCAL)
def test_on_a_disk_of_this_machine_the_ledger_is_as_quick_as_it_can_be(
    path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    with Ledger.open(path, mount_lines=mounted(path.parent, kind)):
        assert kept_journal_mode(path) == "wal"
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("path_text", "is_share"),
    [
        ("C:\\Users\\a\\ledger.sqlite3", False),
        ("\\\\server\\share\\ledger.sqlite3", True),
        ("//server/share/ledger.sqlite3", True),
        ("\\\\wsl.localhost\\Ubuntu\\home\\a", True),
        ("\\\\?\\C:\\Users\\a", False),
        ("\\\\?\\UNC\\server\\share\\a", True),
    ],
)
def test_a_path_of_windows_that_names_another_machine_is_told(
    path_text: str, is_share: bool
) -> None:
    assert is_windows_share(path_text) is is_share


@pytest.mark.parametrize("kind", NETWORKS)
def test_on_a_network_the_ledger_warns_and_keeps_a_journal_that_shares_no_memory(
    path: Path, new_job: Make, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    mount_lines = mounted(path.parent, kind)
    with (
        Ledger.open(path, mount_lines=mount_lines) as one,
        Ledger.open(path, mount_lines=mount_lines) as other,
    ):
        assert f"{path} lies on a network file system" in caplog.text
        assert "--home" in caplog.text
        job, is_new = one.claim(new_job())
        assert is_new
        assert other.claim(new_job()) == (job, False)
        other.move(job.id, State.INTENT)
        assert one.get(job.id).state is State.INTENT
        assert not path.with_name(f"{path.name}-shm").exists()
        assert not path.with_name(f"{path.name}-wal").exists()
    assert kept_journal_mode(path) == "delete"


def test_a_ledger_that_moves_to_a_network_and_back_loses_nothing(
    path: Path, new_job: Make, caplog: pytest.LogCaptureFixture
) -> None:
    for number, (kind, mode) in enumerate([("ext4", "wal"), ("nfs", "delete"), ("xfs", "wal")]):
        with Ledger.open(path, mount_lines=mounted(path.parent, kind)) as ledger:
            ledger.claim(new_job(str(number)))
            assert len(ledger.list()) == number + 1
            assert ledger.integrity_problems() == ()
        assert kept_journal_mode(path) == mode
    assert caplog.text.count("network file system") == 1


HOLD = (
    PREPARE
    + """
import sqlite3
connection = sqlite3.connect(path, isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
"""
)


@pytest.fixture
def held_elsewhere(
    path: Path, start_program: Start
) -> Callable[[], contextlib.AbstractContextManager[None]]:
    """A block in which another process has begun to write to the ledger and does not end."""

    @contextlib.contextmanager
    def hold() -> Iterator[None]:
        process = start_program(HOLD, path)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield
        process.kill()
        process.wait()

    return hold


def test_a_ledger_held_for_too_long_names_itself_the_limit_and_what_to_do(
    path: Path,
    new_job: Make,
    held_elsewhere: Callable[[], contextlib.AbstractContextManager[None]],
) -> None:
    with Ledger.open(path, busy_timeout_seconds=0.05) as ledger:
        job = ledger.claim(new_job())[0]
        lease = ledger.acquire_lease(job.id, "here", 60)
        assert lease is not None
        before = ledger.get(job.id)
        writes: list[Callable[[], object]] = [
            lambda: ledger.claim(new_job("another")),
            lambda: ledger.move(job.id, State.INTENT),
            lambda: ledger.begin_submission(job.id),
            lambda: ledger.acquire_lease(job.id, "there", 30),
            lambda: ledger.renew_lease(lease, 30),
            lambda: Ledger.open(path, busy_timeout_seconds=0.05),
        ]
        with held_elsewhere():
            for write in writes:
                with pytest.raises(LedgerError) as raised:
                    write()
                error = raised.value
                assert str(path) in error.message
                assert "held by another process for 0.05 seconds" in error.message
                assert (error.field, error.limit) == ("ledger", "0.05 s")
                assert "Wait for the other Viseme process" in str(error)
            # What only looks waits for nobody, and what was bought before is found.
            assert ledger.get(job.id) == before
            assert ledger.claim(new_job()) == (before, False)
        # Whoever held it is gone, and nothing was half written.
        assert ledger.list() == (before,)
        ledger.move(job.id, State.INTENT)
        assert ledger.claim(new_job("another"))[1]
        assert ledger.integrity_problems() == ()
