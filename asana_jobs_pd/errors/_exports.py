"""Errors of export files and datasets."""

from __future__ import annotations

from asana_jobs_pd.errors._base import AsanaJobsError


class ExportFileError(AsanaJobsError, ValueError):
    """An export file that cannot be read: damaged, in another format, or with a malformed line.

    Parameters
    ----------
    message
        What is wrong, in words; what follows is an attribute, too.
    path : str
        The file.
    line : int or None
        Number of the malformed line, from 1, where it is one line that cannot be read.

    See Also
    --------
    read_asana_export : With ``on_bad_lines``, what to do about such lines.

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
    """A worker process died; ``workers=1`` needs none.

    See Also
    --------
    read_asana_export : Its option ``workers``.

    Examples
    --------
    >>> data = files.asana.load(workers=1)
    """


class ExportWriteError(AsanaJobsError, OSError):
    """A dataset that cannot be written: it exists, the disk is full, or permission is denied.

    Parameters
    ----------
    message
        What is wrong, in words; what follows is an attribute, too.
    path : str
        The folder, or the URL without credentials.

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
        What went wrong, in words; what follows is an attribute, too.
    gid : str
        The job's gid.
    kind : {"graph", "resource"} or None
        Which of its exports, where known.
    reason : str
        The reason: the frame's ``file.error``.

    See Also
    --------
    PartialDownloadError : Has one for each file.

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
