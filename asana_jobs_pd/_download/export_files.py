"""The frame of a download: one row a file. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._jobs.as_jobs import as_jobs
from asana_jobs_pd._jobs.schema import dtype_of
from asana_jobs_pd._jobs.states import GONE
from asana_jobs_pd.errors import DownloadError

__all__ = [
    "ASKED_FIELDS",
    "FILE_COLUMNS",
    "KINDS",
    "LOST",
    "Entry",
    "ExportFile",
    "FileProgress",
    "FileResult",
    "Kind",
    "entries_of_record",
    "entries_of_rows",
    "errors_of",
    "summary",
    "with_files",
]

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
class FileProgress:
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


ASKED_FIELDS = (
    "status",
    "resource_subtype",
    *(f"{parent}.{leaf}" for parent in KINDS.values() for leaf in ("completed_at", "download_url")),
)
"""What is asked of a job to know its files."""

LOST = "Asana deletes export files 30 days after they were completed; start the export again"

_SUBTYPES: dict[str, Kind] = {"graph_export_request": "graph", "export_request": "resource"}
_FACTS = (
    *("status", "resource_subtype", "error.status", "error.message", "file.kind"),
    *(f"{parent}.{leaf}" for parent in KINDS.values() for leaf in ("gid", "download_url")),
)
"""The columns that tell."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the result: a file, or why there is none.

    Parameters
    ----------
    gid
        The job's gid; None for a row without one.
    kind
        Which export, where that is known.
    file
        What to download.
    problem
        Why there is nothing to download.
    """

    gid: str | None
    kind: Kind | None = None
    file: ExportFile | None = None
    problem: str | None = None


_NO_GID = (Entry(None, problem="the row has no gid"),)


def entries_of_rows(jobs: pd.DataFrame, gids: pd.Series) -> list[tuple[Entry, ...]]:
    """Return what each row says of its files; nothing where its job has to be asked.

    Parameters
    ----------
    jobs
        A frame of jobs, as `as_jobs` returns it.
    gids
        Their gids, missing where there is none.
    """
    names = [name for name in _FACTS if name in jobs.columns]
    rows = zip(_values(gids), *(_values(jobs[name]) for name in names), strict=True)
    return [
        _entries(gid, dict(zip(names, facts, strict=True))) if gid else _NO_GID
        for gid, *facts in rows
    ]


def _values(column: pd.Series) -> list[Any]:
    return [
        None if missing else value for value, missing in zip(column, column.isna(), strict=True)
    ]


def _entries(gid: str, row: Mapping[str, Any]) -> tuple[Entry, ...]:
    if problem := _unread(row) or _unsuccessful(row.get("status")):
        return (Entry(gid, _kind_of(row), problem=problem),)
    wanted = row.get("file.kind")
    if wanted in KINDS:  # a row of an earlier download
        return (_entry(gid, wanted, row.get(f"{KINDS[wanted]}.download_url")),)
    urls = {kind: row.get(f"{parent}.download_url") for kind, parent in KINDS.items()}
    if any(urls.values()):
        return tuple(_entry(gid, kind, url) for kind, url in urls.items() if url)
    return () if row.get("status") is None else _without_urls(gid, row)


def _without_urls(gid: str, row: Mapping[str, Any]) -> tuple[Entry, ...]:
    """Return what a succeeded job without a URL has, if its subtype or its objects tell."""
    if (kind := _kind_of(row)) is not None:
        return (_entry(gid, kind, None),)
    subtype = row.get("resource_subtype")
    plain = subtype and "export" not in subtype
    return (Entry(gid, problem=_no_export(subtype)),) if plain else ()


def entries_of_record(gid: str, record: Mapping[str, Any]) -> tuple[Entry, ...]:
    """Return what Asana's record of a job says of its files: at least one entry."""
    if problem := _unsuccessful(record.get("status")):
        return (Entry(gid, problem=problem),)
    found = []
    for kind, parent in KINDS.items():
        export = record.get(parent)
        if isinstance(export, Mapping) and any(export.values()):
            url = export.get("download_url")
            given = isinstance(url, str) and url != ""
            lost = None if given else _without_url(export.get("completed_at"))
            found.append(_entry(gid, kind, url) if given else Entry(gid, kind, problem=lost))
    subtype = record.get("resource_subtype")
    return tuple(found) or (Entry(gid, problem=_no_export(subtype)),)


def _entry(gid: str, kind: Kind, url: str | None) -> Entry:
    return Entry(gid, kind, ExportFile(gid, kind, url))


def _unread(row: Mapping[str, Any]) -> str | None:
    status = row.get("error.status")
    if row.get("status") is not None or status not in GONE:
        return None
    said = clean(str(row.get("error.message") or "no reason was given"))
    return f"the job could not be read: {status} {said}"


def _unsuccessful(status: str | None) -> str | None:
    if status in (None, "succeeded"):
        return None
    if status == "failed":
        return "the job failed, so there is no file"
    return f"the job is not finished ({clean(str(status), limit=40)}); refresh it, then download"


def _kind_of(row: Mapping[str, Any]) -> Kind | None:
    """Return the only kind of export a row can have, by its subtype or by what was created."""
    subtype = _SUBTYPES.get(row.get("resource_subtype") or "")
    created = [kind for kind, parent in KINDS.items() if row.get(f"{parent}.gid")]
    if len(created) == 1 and subtype in (None, created[0]):
        return created[0]
    return subtype if not created else None


def _no_export(subtype: object) -> str:
    what = f"a {clean(str(subtype), limit=60)} makes none" if subtype else "the job made none"
    return f"there is no export file: {what}"


def _without_url(completed_at: object) -> str:
    when = f" (completed {clean(completed_at, limit=30)})" if isinstance(completed_at, str) else ""
    return f"the file is gone: Asana gives no URL for it any more{when}. {LOST}"


_TEXT = dtype_of("text")
FILE_COLUMNS = {
    "file.kind": _TEXT,
    "file.path": _TEXT,
    "file.bytes": pd.Int64Dtype(),
    "file.sha256": _TEXT,
    "file.error": _TEXT,
}
"""The columns that a download adds, and their dtypes."""

_MOST_TOLD = 3


def with_files(
    frame: pd.DataFrame,
    told: Sequence[Sequence[Entry]],
    result_of: Callable[[Entry], FileResult],
) -> pd.DataFrame:
    """Return the rows of the frame, one an entry, with what became of its file.

    Parameters
    ----------
    frame
        A frame of jobs of our own, which may be changed.
    told
        The entries of each row.
    result_of
        Returns what became of an entry.
    """
    counts = [len(row) for row in told]
    if set(counts) - {1}:
        frame = frame.take(np.repeat(np.arange(len(frame)), counts))
    entries = [entry for row in told for entry in row]
    results = [result_of(entry) for entry in entries]
    columns: dict[str, list[Any]] = {
        "file.kind": [entry.kind for entry in entries],
        "file.path": [result.path for result in results],
        "file.bytes": [result.size for result in results],
        "file.sha256": [result.sha256 for result in results],
        "file.error": [result.error for result in results],
    }
    for name, dtype in FILE_COLUMNS.items():
        frame[name] = pd.Series(columns[name], dtype=dtype).array
    return frame


def errors_of(rows: pd.DataFrame) -> dict[str, DownloadError]:
    """Return the errors of rows without a file, by the name of the file or the gid."""
    found: dict[str, DownloadError] = {}
    gids = as_jobs(rows)["gid"]
    for gid, kind, reason in zip(gids, rows["file.kind"], rows["file.error"], strict=True):
        key = "no gid" if pd.isna(gid) else gid
        known = None if pd.isna(kind) else kind
        label = f"{key}-{known}" if known else key
        found[label] = DownloadError(f"{label}: {reason}.", gid=key, kind=known, reason=reason)
    return found


def summary(failed: dict[str, DownloadError], rows: int) -> str:
    """Return in a few lines what failed, of so many rows."""
    lines = [f"{len(failed)} of {rows} rows have no file:"]
    lines += [f"  {error}" for error in list(failed.values())[:_MOST_TOLD]]
    if len(failed) > _MOST_TOLD:
        lines.append(f"  … and {len(failed) - _MOST_TOLD} more: .errors has them by name.")
    lines.append('What there is, is in .frame; errors="coerce" returns it.')
    return "\n".join(lines)
