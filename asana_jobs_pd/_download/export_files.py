"""The files of a download: their names, and the frame with one row per file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from asana_jobs_pd._http.redaction import clean
from asana_jobs_pd._http.signed_urls import SignedUrl
from asana_jobs_pd._jobs.schema import dtype_of
from asana_jobs_pd._jobs.states import GONE
from asana_jobs_pd.errors import DownloadError

Kind: TypeAlias = Literal["graph", "resource"]

KINDS: dict[Kind, str] = {"graph": "new_graph_export", "resource": "new_resource_export"}
"""The kinds of export, and the key of a job's record that describes each."""


@dataclass(eq=False, slots=True)
class ExportFile:
    """One row of a download: the file, its progress and its result.

    One thread writes it, others read it. `total` is None while it is unknown; `note` says what
    it is waiting for, if anything. The result is an absolute `path` (set last) with the size on
    disk and the SHA-256, or an `error`. A row that cannot have a file starts with the error.
    """

    gid: str
    kind: Kind | None = None
    url: SignedUrl | None = None
    done: int = 0
    total: int | None = None
    state: Literal["waiting", "running", "done", "failed"] = "waiting"
    note: str = ""
    path: str | None = None
    size: int | None = None
    sha256: str | None = None
    error: str | None = None

    @property
    def label(self) -> str:
        """The file's name in messages."""
        return f"{self.gid}-{self.kind}"

    @property
    def name(self) -> str:
        """The file's name on disk: made from the gid, never from what a server sends."""
        return f"{self.label}.jsonl.gz"

    @property
    def unpacked_name(self) -> str:
        """The file's name on disk if a proxy or server has decompressed it."""
        return f"{self.label}.jsonl"


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


def files_of_rows(jobs: pd.DataFrame) -> list[tuple[ExportFile, ...]]:
    """Return the files named in each row of a checked frame; () where the job must be read."""
    names = ["gid", *(name for name in _READ_COLUMNS if name in jobs.columns)]
    columns = [jobs[name].astype(object).where(jobs[name].notna(), None) for name in names]
    return [_files_of_row(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]


def _files_of_row(row: Mapping[str, Any]) -> tuple[ExportFile, ...]:
    gid, status, kind = row["gid"], row.get("status"), row.get("file.kind")
    if not gid:
        return (ExportFile("", error=_without_gid(row)),)
    if problem := _unread(row) or _unsuccessful(status):
        return (ExportFile(gid, _kind_of(row), error=problem),)
    if kind in KINDS:  # a row of an earlier download
        return (_file(gid, kind, row.get(f"{KINDS[kind]}.download_url")),)
    urls = {kind: row.get(f"{parent}.download_url") for kind, parent in KINDS.items()}
    if any(urls.values()):
        return tuple(_file(gid, kind, url) for kind, url in urls.items() if url)
    only, subtype = _kind_of(row), row.get("resource_subtype")
    if status is None or (only is None and (not subtype or "export" in subtype)):
        return ()
    return (ExportFile(gid, only, error=None if only else _no_export(subtype)),)


def files_of_record(gid: str, record: Mapping[str, Any]) -> tuple[ExportFile, ...]:
    """Return the files named in a job's record, or one with the error that says why there is none.

    A file may have no URL yet: Asana can add the export, or its URL, after the status.
    """
    if problem := _unsuccessful(record.get("status")):
        return (ExportFile(gid, error=problem),)
    files = []
    for kind, parent in KINDS.items():
        export = record.get(parent)
        if isinstance(export, Mapping) and any(export.values()):
            files.append(_file(gid, kind, export.get("download_url")))
    if files:
        return tuple(files)
    subtype = record.get("resource_subtype")
    only = _SUBTYPES.get(subtype) if isinstance(subtype, str) else None
    return (ExportFile(gid, only, error=None if only else _no_export(subtype)),)


def completed_at_of(kind: Kind, record: Mapping[str, Any]) -> float | None:
    """Return when Asana completed an export, in seconds since 1970; None if the record lacks it."""
    export = record.get(KINDS[kind])
    text = export.get("completed_at") if isinstance(export, Mapping) else None
    try:
        completed_at = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return completed_at.timestamp() if completed_at and completed_at.tzinfo else None


def _file(gid: str, kind: Kind, url: object) -> ExportFile:
    text = url.strip() if isinstance(url, str) else ""
    return ExportFile(gid, kind, SignedUrl(text) if text else None)


def _unread(row: Mapping[str, Any]) -> str | None:
    status = row.get("error.status")
    if row.get("status") is not None or status not in GONE:
        return None
    message = clean(str(row.get("error.message") or "no reason was given"))
    return f"the job could not be read: {status} {message}"


def _without_gid(row: Mapping[str, Any]) -> str:
    """Return why a row has no gid, such as one whose job was not started."""
    state, reason = row.get("source.state"), row.get("error.message")
    text = "the row has no gid" + (f" (source.state is {state})" if state else "")
    return clean(f"{text}: {reason}" if reason else text)


def _unsuccessful(status: str | None) -> str | None:
    if status in (None, "succeeded"):
        return None
    if status == "failed":
        return "the job failed, so there is no file"
    return f"the job is not finished ({clean(str(status), limit=40)}); wait for it, then download"


def _kind_of(row: Mapping[str, Any]) -> Kind | None:
    """Return the only kind of export a row can have; None if it has none or could have both."""
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
    frame: pd.DataFrame, files_of_row: Sequence[Sequence[ExportFile]], unfinished: str
) -> pd.DataFrame:
    """Return the frame with one row per file and the results; may change `frame` in place."""
    counts = [len(files) for files in files_of_row]
    if set(counts) - {1}:
        frame = frame.take(np.repeat(np.arange(len(frame)), counts))
    rows = [
        (file.kind, path, file.size, file.sha256, None)
        if (path := file.path)
        else (file.kind, None, None, None, file.error or unfinished)
        for files in files_of_row
        for file in files
    ]
    columns = zip(*rows, strict=True) if rows else [()] * len(FILE_COLUMNS)
    for (name, dtype), values in zip(FILE_COLUMNS.items(), columns, strict=True):
        frame[name] = pd.Series(values, dtype=dtype).array
    return frame


def errors_of(files: Iterable[ExportFile], unfinished: str) -> dict[str, DownloadError]:
    """Return why files are missing, by the file's label or the gid."""
    errors: dict[str, DownloadError] = {}
    for file in files:
        if file.path is None:
            gid, reason = file.gid or "no gid", file.error or unfinished
            label = f"{gid}-{file.kind}" if file.kind else gid
            message = f"{label}: {reason}."
            errors[label] = DownloadError(message, gid=gid, kind=file.kind, reason=reason)
    return errors


def summary(errors: dict[str, DownloadError], rows: int) -> str:
    """Return a message about the first errors; `rows` is the number of rows in all."""
    lines = [f"{len(errors)} of {rows} rows have no file:"]
    lines += [f"  {error}" for error in list(errors.values())[:_MAX_LISTED]]
    if len(errors) > _MAX_LISTED:
        lines.append(f"  … and {len(errors) - _MAX_LISTED} more: .errors has them by name.")
    lines.append('Partial results are in .frame; errors="coerce" returns it.')
    return "\n".join(lines)
