"""Whether a file lies on this machine's own disks or on a network, as far as systems tell.

Write-ahead logging shares memory between processes, which network file systems cannot: there two
processes would write over each other.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath

_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "afs", "afpfs", "ncpfs", "davfs", "coda"}
    # of clusters
    | {"ceph", "glusterfs", "lustre", "beegfs", "gpfs", "gfs2", "ocfs2", "orangefs", "pvfs2"}
    # what a virtual machine or a container is given of its host
    | {"9p", "virtiofs", "vboxsf", "vmhgfs", "prl_fs"}
)
# Of what programs serve as file systems (FUSE) most is elsewhere, and new ones come every year.
_LOCAL_FUSE = frozenset(
    {"fuseblk", "fusectl", "fuse.ntfs", "fuse.ntfs-3g", "fuse.exfat", "fuse.mergerfs", "fuse.shfs"}
    | {"fuse.fuse-overlayfs", "fuse.bindfs", "fuse.gocryptfs", "fuse.encfs", "fuse.veracrypt"}
)
_DRIVE_REMOTE = 4  # learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-getdrivetypew


def network_kind(path: Path, mount_lines: Sequence[str] | None = None) -> str | None:
    """The type of the network file system that ``path`` lies on; None for this machine's own.

    One that nobody knows counts as a network's where a program serves it. ``mount_lines`` are those
    of ``mountinfo``, Linux's own by default. macOS is not asked: it has no cheap way to know.
    """
    if sys.platform == "win32":
        return _windows_kind(path)
    kind = file_system_of(path.resolve(), _mount_lines() if mount_lines is None else mount_lines)
    return kind if is_network(kind) else None


def is_network(kind: str) -> bool:
    """Whether a type of ``mountinfo`` is, or may be, that of a network file system. Pure."""
    return kind in _NETWORK or (kind.startswith("fuse") and kind not in _LOCAL_FUSE)


def file_system_of(path: Path, mount_lines: Sequence[str]) -> str:
    """The type of the file system that holds ``path``, from the lines of ``mountinfo``. Pure."""
    best, kind = "", ""
    for line in mount_lines:
        before, found, after = line.partition(" - ")
        fields = before.split()
        if not found or len(fields) < 5:
            continue
        mount_point = fields[4].replace("\\040", " ")
        inside = path.as_posix() == mount_point or path.as_posix().startswith(
            mount_point.rstrip("/") + "/"
        )
        if inside and len(mount_point) >= len(best):
            best, kind = mount_point, after.split()[0]
    return kind


def _mount_lines() -> Sequence[str]:
    try:
        return Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ()


def is_windows_share(path_text: str) -> bool:
    r"""Whether an absolute path of Windows names another machine (``\\server\share``). Pure."""
    drive = PureWindowsPath(path_text).drive.lower().replace("/", "\\")
    if drive.startswith(("\\\\?\\", "\\\\.\\")):  # the long form of a path, mostly a local one
        return drive[4:].startswith("unc\\")
    return drive.startswith("\\\\")


def _windows_kind(path: Path) -> str | None:
    """Never tried: nobody who wrote this had a Windows."""
    if sys.platform == "win32":
        import ctypes

        place = path.resolve()
        if is_windows_share(str(place)):
            return "a share"
        if ctypes.windll.kernel32.GetDriveTypeW(place.anchor) == _DRIVE_REMOTE:
            return "a network drive"
    return None
