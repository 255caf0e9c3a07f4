"""The methods with which tests control a running sandbox and inspect it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Unpack

from ._responses import Fault, FaultKind, FaultOptions
from ._site import SeenRequest, Site, Stats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._jobs import Status


class Controls:
    """The part of a `Sandbox` that controls jobs, files and faults, and counts requests."""

    _site: Site
    _tokens: Iterator[str]
    token: str

    def advance(self, seconds: float) -> None:
        """Advance the clock that was passed as `clock`.

        Parameters
        ----------
        seconds
            How far, 0 or more.

        See Also
        --------
        Sandbox.finish : Make jobs succeed without advancing the clock.

        Examples
        --------
        >>> with Sandbox(clock=Clock()) as still:
        ...     still.advance(3600)
        """
        with self._site.lock:
            self._site.clock.advance(seconds)

    def finish(self, *gids: str) -> None:
        """Make jobs succeed now, unless they have finished.

        Parameters
        ----------
        *gids
            The jobs.

        See Also
        --------
        Sandbox.progress : Put a job into another state.

        Examples
        --------
        >>> asana.finish(*asana.gids(2, start=500))
        """
        for gid in gids:
            self.progress(gid, status="succeeded")

    def progress(self, gid: str, *, status: Status = "in_progress") -> None:
        """Put a job into a state and keep it there.

        Parameters
        ----------
        gid
            The job.
        status
            Its status from now on.

        See Also
        --------
        Sandbox.finish : Make jobs succeed.

        Examples
        --------
        >>> gid = asana.gids(1, start=600)[0]
        >>> asana.progress(gid, status="failed")
        >>> aj.read_asana_jobs(gid)["status"].tolist()
        ['failed']
        """
        with self._site.lock:
            self._site.api.jobs.force(gid, status)

    def answer(self, gid: str, status: int, message: str | None = None) -> None:
        """Respond with an error to requests for this job, or to start one from this parent.

        It applies until it is called again with status 200.

        Parameters
        ----------
        gid
            The job, or the parent.
        status
            The HTTP status; 200 removes the error.
        message
            The error message; None for Asana's own.

        See Also
        --------
        Sandbox.fault : Network faults, and errors for a number of requests.

        Examples
        --------
        >>> gid = asana.gids(1, start=601)[0]
        >>> asana.answer(gid, 403)
        >>> aj.read_asana_jobs(gid, errors="coerce")["error.status"].tolist()
        [403]
        """
        with self._site.lock:
            self._site.api.refusals[gid] = (status, message)

    def record(self, gid: str, data: dict[str, Any]) -> None:
        """Serve this record for a gid from now on, whatever it looks like.

        `opt_fields` select from it as usual; undocumented keys are always included. `export_url`
        makes signed URLs for it.

        Parameters
        ----------
        gid
            The job.
        data
            The record to serve as ``data``.

        See Also
        --------
        Sandbox.progress : Change only the status.

        Examples
        --------
        >>> asana.record("9", {"gid": "9", "resource_type": "job", "status": "paused"})
        >>> aj.read_asana_jobs("9")["status"].tolist()
        ['paused']
        """
        with self._site.lock:
            self._site.api.jobs.replace(gid, data)

    def export_url(self, gid: str, resource_type: Literal["graph_export", "export_request"]) -> str:
        """Return a freshly signed URL of an export file.

        Parameters
        ----------
        gid
            Any gid.
        resource_type
            The kind of export.

        Returns
        -------
        str
            The URL.

        See Also
        --------
        Sandbox.record : Serve a record with it.

        Examples
        --------
        >>> asana.export_url("12", "graph_export").startswith("http://127.0.0.1:")
        True
        """
        with self._site.lock:
            return self._site.exports.url(gid, resource_type)

    def expire_token(self) -> str:
        """Reject `token` from now on, and accept a new one instead.

        As when an OAuth token expires, requests with the old token get a 401. `token` becomes the
        new one.

        Returns
        -------
        str
            The new token.

        See Also
        --------
        connect : Its option ``token`` can be a callable that renews a token.

        Examples
        --------
        >>> with Sandbox() as other:
        ...     other.expire_token() == other.token
        True
        """
        with self._site.lock:
            self.token = self._site.api.token = next(self._tokens)
        return self.token

    def next_week(self) -> None:
        """Change what exports contain as a week would: tasks change, and some are added.

        Exports whose URL has been served keep their content. Jobs and the clock are not affected.

        See Also
        --------
        asana_jobs_pd.compare_asana_exports : Find what has changed.

        Examples
        --------
        >>> with Sandbox(time_scale=1000) as asana:
        ...     client = aj.connect(asana.token, base_url=asana.base_url)
        ...     weeks = []
        ...     for week in ("week-1", "week-2"):
        ...         jobs = aj.export_graph(asana.parents(1)).asana.wait()
        ...         weeks.append(jobs.asana.download(week).asana.load())
        ...         asana.next_week()
        >>> bool(aj.compare_asana_exports(*weeks).summary().loc["task", "changed"])
        True
        """
        with self._site.lock:
            self._site.exports.weeks += 1

    def republish(self, gid: str) -> None:
        """Change the content, and so the ETag, of a job's export files.

        Parameters
        ----------
        gid
            The job.

        See Also
        --------
        Sandbox.publish : Serve your own bytes.

        Examples
        --------
        >>> asana.republish(asana.gids(1, "graph_export_request", start=70)[0])
        """
        with self._site.lock:
            self._site.exports.republish(gid)

    def publish(self, gid: str, content: bytes) -> None:
        r"""Serve these bytes as a job's export files from now on.

        Parameters
        ----------
        gid
            The job.
        content
            The bytes, gzip or not.

        See Also
        --------
        Sandbox.republish : Serve other rows, with another ETag.

        Examples
        --------
        >>> gid = asana.gids(1, "graph_export_request", start=71)[0]
        >>> asana.publish(gid, b'{"gid": "1", "resource_type": "task"}\n')
        """
        with self._site.lock:
            self._site.exports.publish(gid, content)

    def expire_export(self, gid: str) -> None:
        """Delete a job's export files, as Asana does 30 days after completion.

        The job's record no longer has a URL, and requests to earlier URLs get a 404.

        Parameters
        ----------
        gid
            The job.

        See Also
        --------
        Sandbox.publish : Serve another file.

        Examples
        --------
        >>> asana.expire_export(asana.gids(1, "graph_export_request", start=70)[0])
        """
        with self._site.lock:
            self._site.exports.publish(gid, None)
            self._site.api.jobs.forget_url(gid)

    def fault(self, kind: FaultKind, **options: Unpack[FaultOptions]) -> None:
        """Queue a fault for the next matching requests.

        Parameters
        ----------
        kind
            The kind of fault, as in `Fault`.
        **options
            The other parameters of `Fault`.

        See Also
        --------
        Fault : The kinds and options.
        Sandbox.answer : Errors until further notice.

        Examples
        --------
        >>> asana.fault("status", status=503, times=2)  # reads try again
        >>> aj.read_asana_jobs(gids)["error.kind"].dropna().tolist()
        []
        """
        fault = Fault(kind=kind, **options)
        with self._site.lock:
            self._site.faults.append(fault)

    @property
    def stats(self) -> Stats:
        """The current counters.

        See Also
        --------
        Sandbox.requests : The individual requests.

        Examples
        --------
        >>> asana.stats.requests > 0
        True
        """
        with self._site.lock:
            return self._site.stats.copy()

    @property
    def requests(self) -> list[SeenRequest]:
        """The last 10,000 requests, to the API and for export files, oldest first.

        See Also
        --------
        Sandbox.stats : Counters.

        Examples
        --------
        >>> asana.requests[-1].path.startswith("/api/1.0/")
        True
        """
        with self._site.lock:
            return list(self._site.seen)

    def reset_stats(self) -> None:
        """Reset all counters and forget the requests; rate limits keep counting.

        See Also
        --------
        Sandbox.stats : The counters.

        Examples
        --------
        >>> with Sandbox() as other:
        ...     other.reset_stats()
        ...     other.stats.requests
        0
        """
        with self._site.lock:
            self._site.reset()
