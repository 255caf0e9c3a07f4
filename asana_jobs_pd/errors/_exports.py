"""Errors about export files and datasets."""

from __future__ import annotations

from asana_jobs_pd.errors._base import AsanaJobsError


class ExportFileError(AsanaJobsError, ValueError):
    """An export file that cannot be read: damaged, in another format, or with a malformed line.

    Parameters
    ----------
    message
        What is wrong, and the remedy; the other parameters are also attributes.
    path : str
        The file.
    line : int or None
        The number of the malformed line, from 1; None if the whole file is the problem.

    See Also
    --------
    read_asana_export : Its option ``on_bad_lines``.

    Examples
    --------
    >>> try:
    ...     aj.read_asana_export("missing.jsonl.gz")
    ... except aj.errors.ExportFileError as error:
    ...     print(error.line)
    None
    """

    def __init__(self, message: str = "", *, path: str = "", line: int | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.line = line


class ExportWorkerError(AsanaJobsError):
    """A worker process died; ``workers=1`` works without worker processes.

    See Also
    --------
    read_asana_export : Its option ``workers``.

    Examples
    --------
    >>> data = files.asana.load(workers=1)
    """


class ExportWriteError(AsanaJobsError, OSError):
    """A file or dataset cannot be written: it exists, the disk is full, permission is denied.

    Parameters
    ----------
    message
        What is wrong, and the remedy.
    path : str
        Also an attribute: the file or folder, or the URL without credentials.

    See Also
    --------
    asana_export_to_parquet : Its option ``overwrite``.

    Examples
    --------
    >>> folder = data.to_parquet("lake")
    >>> try:
    ...     data.to_parquet("lake")
    ... except aj.errors.ExportWriteError as error:
    ...     print(error.path.endswith("lake"))
    True
    """

    def __init__(self, message: str = "", *, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class DownloadError(AsanaJobsError):
    """The file of one export could not be downloaded.

    Parameters
    ----------
    message
        What went wrong; the other parameters are also attributes.
    gid : str
        The job's gid.
    kind : {"graph", "resource"} or None
        The kind of export, if known.
    reason : str
        The reason, as in the frame's ``file.error``.

    See Also
    --------
    PartialDownloadError : Has one of these for each missing file.

    Examples
    --------
    >>> try:
    ...     jobs.asana.download("exports/", errors="raise")
    ... except aj.errors.PartialDownloadError as error:
    ...     print(type(error.errors[gids[0]]).__name__)
    DownloadError
    """

    def __init__(
        self, message: str = "", *, gid: str = "", kind: str | None = None, reason: str = ""
    ) -> None:
        super().__init__(message)
        self.gid = gid
        self.kind = kind
        self.reason = reason or message
