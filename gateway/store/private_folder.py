"""A folder that is ours alone, and locks in it that end with whoever holds them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
from pathlib import Path

from gateway.errors import CannotStart

_LONGEST_SOCKET_BYTES = 100
"""Systems allow 104 or 108, the final zero included."""


def make_private(folder: Path) -> None:
    """Make sure that it exists, belongs to us, and is closed to everybody else.

    Raises `CannotStart`. Root may use what belongs to somebody else, it can read it anyway.
    """
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode):
            raise CannotStart(f"{folder} is not a folder. Remove it, or set store.state_dir.")
        if found.st_uid != os.geteuid():
            if os.geteuid() == 0:
                return
            raise CannotStart(
                f"The folder {folder} belongs to user {found.st_uid}, not to user "
                f"{os.geteuid()} who runs this. Set store.state_dir to a folder of your own."
            )
        if found.st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise CannotStart(
            f"The embedded store cannot use the folder {folder}: {error.strerror}. "
            "Set store.state_dir (SLUICEGATE_STORE__STATE_DIR) to one that can be written to."
        ) from error


def socket_in(folder: Path) -> Path:
    """Where the socket of a server in `folder` lies: there, unless that path is too long for one.

    Else it is in a private folder below /tmp. Every process of one user finds the same.
    """
    near = folder / "store.sock"
    if len(os.fsencode(near)) <= _LONGEST_SOCKET_BYTES:
        return near
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    # Not the folder for temporary files that the environment names: it may differ by process.
    return Path("/tmp") / f"sluicegate-{os.geteuid()}-{name}" / "store.sock"


class Lock:
    """An exclusive lock on a file. It ends when every process that has it open has ended."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def take(cls, file: Path) -> Lock | None:
        """The lock, or None while somebody else has it. Raises `CannotStart`."""
        descriptor = None
        try:
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor if descriptor is not None else -1)
            return None
        except OSError as error:
            if descriptor is not None:
                os.close(descriptor)
            raise CannotStart(
                f"The file {file} cannot be locked: {error.strerror}. "
                "Set store.state_dir to a folder on a disk of this machine."
            ) from error
        return cls(descriptor)

    def release(self) -> None:
        """Close our side of it. Idempotent."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
