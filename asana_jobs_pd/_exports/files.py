"""An export file: whose it is, where it goes, what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

__all__ = ["KINDS", "ExportFile", "FileResult", "Kind", "Progress"]

Kind: TypeAlias = Literal["graph", "resource"]

KINDS: dict[Kind, str] = {"graph": "new_graph_export", "resource": "new_resource_export"}
"""The kinds of export, and the object of a job's record that each is in."""


@dataclass(frozen=True, slots=True)
class ExportFile:
    """One file that there should be.

    Parameters
    ----------
    gid
        The job's gid: digits.
    kind
        Which of its exports.
    url
        The signed URL, when there is one; it stays out of the repr.
    """

    gid: str
    kind: Kind
    url: str | None = field(default=None, repr=False)

    @property
    def label(self) -> str:
        """What it is called among others, without endings."""
        return f"{self.gid}-{self.kind}"

    @property
    def name(self) -> str:
        """The name on disk: made of the gid, never of what a server says."""
        return f"{self.label}.jsonl.gz"


@dataclass(frozen=True, slots=True)
class FileResult:
    """A file that is there, or why it is not.

    Parameters
    ----------
    path
        Absolute.
    size
        Bytes, as it lies on disk.
    sha256
        Of these bytes, in hexadecimal digits.
    error
        Why there is no file, in words without secrets.
    """

    path: str | None = None
    size: int | None = None
    sha256: str | None = None
    error: str | None = None


@dataclass(slots=True)
class Progress:
    """How far a file is; one thread writes it, others look.

    Parameters
    ----------
    file
        Which.
    done, total
        Bytes on disk, and in all; None while that is not known.
    state
        ``waiting`` for its turn or for another download of it, ``running``, ``done`` or
        ``failed``.
    """

    file: ExportFile
    done: int = 0
    total: int | None = None
    state: Literal["waiting", "running", "done", "failed"] = "waiting"
