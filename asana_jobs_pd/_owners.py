"""Who writes an unfinished file or folder: the process that its name tells of.

An owner is a part of a file's name, so that no lock is needed, which network disks may lack.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import secrets
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeAlias

OWNER = re.compile(r"([0-9a-f]{8})-(\d{1,10})-(\d{1,20})-[0-9a-f]{8}", re.ASCII)
OwnerState: TypeAlias = Literal["alive", "dead", "unknown"]
_held: set[str] = set()


def new_owner() -> str:
    """Return an owner that lives until it is released, or this process ends."""
    pid = os.getpid()
    owner = f"{machine_id()}-{pid}-{started_at(pid)}-{secrets.token_hex(4)}"
    _held.add(owner)
    return owner


def release_owner(owner: str) -> None:
    _held.discard(owner)


def owner_state(owner: str) -> OwnerState:
    """Return whether an owner lives; ``"unknown"`` on another machine, and on Windows."""
    match = OWNER.fullmatch(owner)
    if match is None or match[1] != machine_id():
        return "unknown"
    pid, started = int(match[2]), int(match[3])
    if pid == os.getpid():
        return "alive" if owner in _held else "dead"
    if os.name != "posix":  # there, os.kill ends a process whatever the signal
        return "unknown"
    try:
        os.kill(pid, 0)
        same = started_at(pid) in (0, started)
    except PermissionError:
        same = True
    except (ProcessLookupError, OverflowError):
        same = False
    return "alive" if same else "dead"


@lru_cache(maxsize=1)
def machine_id() -> str:
    """Return what tells apart machines, their boots, and containers, whose pids differ."""
    facts = [platform.node()]
    with contextlib.suppress(OSError):
        facts.append(Path("/proc/sys/kernel/random/boot_id").read_text())
        facts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("|".join(facts).encode()).hexdigest()[:8]


def started_at(pid: int) -> int:
    """Return when a process started, which tells its pid from a reused one; 0 if unknown."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return 0
    if fields[0] in "ZX":  # it has ended, and its parent does not know yet
        raise ProcessLookupError
    return int(fields[19])
