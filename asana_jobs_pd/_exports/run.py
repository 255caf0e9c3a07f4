"""One download from beginning to end: what has to be asked, what is fetched, what came of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from asana_jobs_pd._api.client import Client
from asana_jobs_pd._api.connect import default_client, forget_default
from asana_jobs_pd._exports.bars import Bars
from asana_jobs_pd._exports.engine import Downloads
from asana_jobs_pd._exports.entries import (
    ASKED_FIELDS,
    Entry,
    entries_of_record,
    entries_of_rows,
)
from asana_jobs_pd._exports.files import FileResult, Progress
from asana_jobs_pd._exports.result import with_files
from asana_jobs_pd._exports.source import said
from asana_jobs_pd._jobs.fetch import fetch_jobs
from asana_jobs_pd._jobs.fields import plan_fields
from asana_jobs_pd._jobs.read import warn_of_changes
from asana_jobs_pd.errors import AuthenticationError, InvalidOptionError

__all__ = ["Run", "folder_of"]

_CUT_SHORT = "not finished when the download ended; download again: it goes on where it stood"


class Run:
    """One download of the files of a frame.

    Parameters
    ----------
    client
        What to ask with; None takes the default one, once something has to be asked.
    shown
        Whether to show bars, as in `Bars`.
    tick
        Called instead of showing bars, about ten times a second, with how far the files are.

    Attributes
    ----------
    refused : AuthenticationError or None
        The answer that the token is not accepted, which ended everything.
    interrupted, cancelled : bool
        Whether Ctrl-C or a kernel interrupt ended it, or `cancel`.
    """

    def __init__(
        self,
        client: Client | None,
        shown: bool | None,
        tick: Callable[[Sequence[Progress]], object] | None = None,
    ) -> None:
        self._given = client
        self._shown = shown
        self._tick = tick
        self._told: dict[str, tuple[Entry, ...]] = {}
        self._results: dict[str, FileResult] = {}
        self._rest = FileResult(error=_CUT_SHORT)
        self._downloads: Downloads | None = None
        self.refused: AuthenticationError | None = None
        self.interrupted = False
        self.cancelled = False

    def fetch(
        self,
        frame: pd.DataFrame,
        gids: pd.Series,
        folder: Path,
        *,
        max_workers: int = 4,
        overwrite: bool = False,
        max_inflated: int | None = None,
    ) -> pd.DataFrame:
        """Download the files of the rows and return them, one row a file, as `with_files` does.

        Parameters
        ----------
        frame
            A frame of jobs of our own, as `cast_frame` returns it, which may be changed.
        gids
            What `gids_of` made of its gids.
        folder
            Where the files go.
        max_workers, overwrite, max_inflated
            As in `Downloads`.
        """
        entries = entries_of_rows(frame, gids)
        self._ask([gid for gid, found in zip(gids, entries, strict=True) if not found])
        told = [found or self._told[gid] for gid, found in zip(gids, entries, strict=True)]
        files = {entry.file.label: entry.file for row in told for entry in row if entry.file}
        if files and not (self.refused or self.interrupted or self.cancelled):
            self._downloads = Downloads(
                list(files.values()),
                folder,
                self._client(),
                max_workers=max_workers,
                overwrite=overwrite,
                max_inflated=max_inflated,
            )
            self._download(self._downloads)
        return with_files(frame, told, self._result_of)

    def cancel(self) -> None:
        """End it, from another thread; what is on disk stays there."""
        self.cancelled = True
        if self._downloads is not None:
            self._downloads.cancel()

    def _ask(self, gids: Sequence[str]) -> None:
        """Ask the jobs of which the frame does not say enough."""
        wanted = list(dict.fromkeys(gids))
        if not wanted:
            return
        plan = plan_fields(list(ASKED_FIELDS), strict=True)
        fetched = fetch_jobs(wanted, plan, self._client(), progress=self._shown)
        for gid, outcome in zip(wanted, fetched.outcomes, strict=True):
            if outcome.record:
                self._told[gid] = entries_of_record(gid, outcome.record)
            else:
                error = outcome.error
                why = f"the job could not be asked: {said(error)}" if error else _CUT_SHORT
                self._told[gid] = (Entry(gid, problem=why),)
        self._note(fetched.refused, fetched.interrupted)

    def _download(self, downloads: Downloads) -> None:
        if self.cancelled:  # while it was made
            return
        if self._tick is not None:
            downloads.run(self._tick)
        else:
            with Bars(self._shown) as bars:
                downloads.run(bars.tick)
        self._results = downloads.results
        self._rest = FileResult(error=downloads.outage or _CUT_SHORT)
        self._note(downloads.refused, downloads.interrupted)

    def _result_of(self, entry: Entry) -> FileResult:
        if entry.file is None:
            return FileResult(error=entry.problem)
        return self._results.get(entry.file.label, self._rest)

    def _client(self) -> Client:
        self._given = self._given or default_client()
        return self._given

    def _note(self, refused: AuthenticationError | None, interrupted: bool) -> None:
        self.refused, self.interrupted = refused, interrupted
        if refused is not None:
            forget_default(self._client())
        warn_of_changes(self._client())


def folder_of(dest: str | os.PathLike[str]) -> Path:
    """Return the absolute path of a folder, ``~`` expanded; it need not be there.

    Raises
    ------
    InvalidOptionError
        When it is no path.
    """
    path = os.fspath(dest) if isinstance(dest, str | os.PathLike) else ""
    if not isinstance(path, str) or not path or "\0" in path:
        raise InvalidOptionError(f"dest={dest!r}: give the path of a folder.")
    folder = Path(path)
    with contextlib.suppress(RuntimeError):  # a ~ that is nobody's home is a name like others
        folder = folder.expanduser()
    return folder.absolute()
