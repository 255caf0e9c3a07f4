"""The files of a download: their names, and the frame with one row per file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._http.signed_urls import SignedUrl
from asana_jobs_pd._jobs.as_jobs import as_jobs
from asana_jobs_pd._jobs.schema import dtype_of
from asana_jobs_pd._jobs.states import GONE
from asana_jobs_pd.errors import DownloadError

Kind: TypeAlias = Literal["graph", "resource"]

KINDS: dict[Kind, str] = {"graph": "new_graph_export", "resource": "new_resource_export"}
"""The kinds of export, and the object of a job's record that each is in."""


@dataclass(frozen=True, slots=True)
class ExportFile:
    """One file to download: the job's gid, which of its exports, and its URL if there is one."""

    gid: str
    kind: Kind
    url: SignedUrl | None = None

    @property
    def label(self) -> str:
        """The file's name in messages."""
        return f"{self.gid}-{self.kind}"

    @property
    def name(self) -> str:
        """The file's name on disk: made from the gid, never from what a server says."""
        return f"{self.label}.jsonl.gz"

    @property
    def unpacked_name(self) -> str:
        """The file's name on disk if a proxy or server has decompressed it."""
        return f"{self.label}.jsonl"


@dataclass(frozen=True, slots=True)
class FileResult:
    """A file's absolute path, size on disk and SHA-256, or why there is none."""

    path: str | None = None
    size: int | None = None
    sha256: str | None = None
    error: str | None = None


@dataclass(slots=True)
class FileProgress:
    """The progress of a file; one thread writes it, others read it.

    `total` is None while it is not known; `note` says what it is waiting for, if anything.
    """

    file: ExportFile
    done: int = 0
    total: int | None = None
    state: Literal["waiting", "running", "done", "failed"] = "waiting"
    note: str = ""


REQUESTED_FIELDS = (
    "status",
    "resource_subtype",
    *(f"{parent}.{leaf}" for parent in KINDS.values() for leaf in ("completed_at", "download_url")),
)
"""The fields of a job that describe its files."""

_SUBTYPES: dict[str, Kind] = {"graph_export_request": "graph", "export_request": "resource"}
_READ_COLUMNS = (
    *("status", "resource_subtype", "error.status", "error.message", "file.kind", "source.state"),
    *(f"{parent}.{leaf}" for parent in KINDS.values() for leaf in ("gid", "download_url")),
)


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One row of the result: a file to download, or why there is none."""

    gid: str | None
    kind: Kind | None = None
    file: ExportFile | None = None
    problem: str | None = None


def entries_of_rows(jobs: pd.DataFrame, gids: pd.Series) -> list[tuple[FileEntry, ...]]:
    """Return the files named in each row of a checked frame; () where the job must be read."""
    names = [name for name in _READ_COLUMNS if name in jobs.columns]
    rows = zip(_values(gids), *(_values(jobs[name]) for name in names), strict=True)
    return [_entries(gid, dict(zip(names, values, strict=True))) for gid, *values in rows]


def _values(column: pd.Series) -> list[Any]:
    return [
        None if missing else value for value, missing in zip(column, column.isna(), strict=True)
    ]


def _entries(gid: str | None, row: Mapping[str, Any]) -> tuple[FileEntry, ...]:
    if not gid:
        return (FileEntry(None, problem=_without_gid(row)),)
    if problem := _unread(row) or _unsuccessful(row.get("status")):
        return (FileEntry(gid, _kind_of(row), problem=problem),)
    kind = row.get("file.kind")
    if kind in KINDS:  # a row of an earlier download
        return (_entry(gid, kind, row.get(f"{KINDS[kind]}.download_url")),)
    urls = {kind: row.get(f"{parent}.download_url") for kind, parent in KINDS.items()}
    if any(urls.values()):
        return tuple(_entry(gid, kind, url) for kind, url in urls.items() if url)
    return () if row.get("status") is None else _without_urls(gid, row)


def _without_urls(gid: str, row: Mapping[str, Any]) -> tuple[FileEntry, ...]:
    """Return what a succeeded job without a URL has, if its subtype or its objects say so."""
    if (kind := _kind_of(row)) is not None:
        return (_entry(gid, kind, None),)
    subtype = row.get("resource_subtype")
    plain = subtype and "export" not in subtype
    return (FileEntry(gid, problem=_no_export(subtype)),) if plain else ()


def entries_of_record(gid: str, record: Mapping[str, Any]) -> tuple[FileEntry, ...]:
    """Return the files named in a job's record: at least one entry.

    A file may have no URL yet: its object, or the URL in it, can come after the status.
    """
    if problem := _unsuccessful(record.get("status")):
        return (FileEntry(gid, problem=problem),)
    entries = []
    for kind, parent in KINDS.items():
        export = record.get(parent)
        if isinstance(export, Mapping) and any(export.values()):
            url = export.get("download_url")
            entries.append(_entry(gid, kind, url if isinstance(url, str) else None))
    if entries:
        return tuple(entries)
    subtype = record.get("resource_subtype")
    if isinstance(subtype, str) and subtype in _SUBTYPES:
        return (_entry(gid, _SUBTYPES[subtype], None),)
    return (FileEntry(gid, problem=_no_export(subtype)),)


def completed_at_of(kind: Kind, record: Mapping[str, Any]) -> float | None:
    """Return when Asana completed an export, in seconds since 1970; None if it does not say."""
    export = record.get(KINDS[kind])
    text = export.get("completed_at") if isinstance(export, Mapping) else None
    try:
        completed_at = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return completed_at.timestamp() if completed_at and completed_at.tzinfo else None


def _entry(gid: str, kind: Kind, url: str | None) -> FileEntry:
    return FileEntry(
        gid, kind, ExportFile(gid, kind, SignedUrl(url) if url and url.strip() else None)
    )


def _unread(row: Mapping[str, Any]) -> str | None:
    status = row.get("error.status")
    if row.get("status") is not None or status not in GONE:
        return None
    message = clean(str(row.get("error.message") or "no reason was given"))
    return f"the job could not be read: {status} {message}"


def _without_gid(row: Mapping[str, Any]) -> str:
    """Return why there is no gid, such as that of a job that was not started."""
    state, reason = row.get("source.state"), row.get("error.message")
    text = "the row has no gid" + (f" (source.state is {state})" if state else "")
    return clean(f"{text}: {reason}" if reason else text)


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
    reason = "the job created none"
    if subtype:
        kind = clean(str(subtype), limit=60)
        reason = f"{'an' if kind[:1].lower() in 'aeiou' else 'a'} {kind} job creates none"
    return f"there is no export file: {reason}"


_TEXT = dtype_of("text")
FILE_COLUMNS = {
    "file.kind": _TEXT,
    "file.path": _TEXT,
    "file.bytes": pd.Int64Dtype(),
    "file.sha256": _TEXT,
    "file.error": _TEXT,
}
"""The columns that a download adds, and their dtypes."""

_MAX_LISTED = 3


def with_files(
    frame: pd.DataFrame,
    entries_of_row: Sequence[Sequence[FileEntry]],
    result_of: Callable[[FileEntry], FileResult],
) -> pd.DataFrame:
    """Return the rows of the frame, which may be changed: one per entry, with its result."""
    counts = [len(entries) for entries in entries_of_row]
    if set(counts) - {1}:
        frame = frame.take(np.repeat(np.arange(len(frame)), counts))
    entries = [entry for row in entries_of_row for entry in row]
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
    """Return the errors of rows without a file, by the file's label or the gid."""
    errors: dict[str, DownloadError] = {}
    columns = (as_jobs(rows)["gid"], rows["file.kind"], rows["file.error"])
    for gid, kind, reason in zip(*columns, strict=True):
        key = "no gid" if pd.isna(gid) else gid
        known = None if pd.isna(kind) else kind
        label = f"{key}-{known}" if known else key
        errors[label] = DownloadError(f"{label}: {reason}.", gid=key, kind=known, reason=reason)
    return errors


def summary(errors: dict[str, DownloadError], rows: int) -> str:
    """Describe in a few lines which of so many rows failed."""
    lines = [f"{len(errors)} of {rows} rows have no file:"]
    lines += [f"  {error}" for error in list(errors.values())[:_MAX_LISTED]]
    if len(errors) > _MAX_LISTED:
        lines.append(f"  … and {len(errors) - _MAX_LISTED} more: .errors has them by name.")
    lines.append('Partial results are in .frame; errors="coerce" returns it.')
    return "\n".join(lines)
