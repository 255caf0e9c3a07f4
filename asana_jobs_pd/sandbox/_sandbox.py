"""The sandbox as its owner sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from ._api import Api, Fields
from ._clock import Clock, RunningClock
from ._exports import Exports
from ._faults import Fault, FaultKind, Where
from ._jobs import Jobs, Status, gid_at
from ._limits import Limits, RetryAfter
from ._server import Server
from ._site import Counters, SeenRequest, Site, Stats
from ._starts import Starts, parent_at

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType


class Sandbox:
    """An Asana of one's own on 127.0.0.1, with jobs that progress and export files.

    It knows `GET /jobs/{gid}`, the POSTs that start jobs, and the signed URLs of exports, and
    nothing else. Every job and every file follows from the seed, the gid and the clock. A graph
    export of a portfolio or a team is kept for 4 hours and given again. All methods may be called
    from any thread, and take effect at once.

    Parameters
    ----------
    seed
        Decides all names, durations, outcomes and rows.
    token
        The access token that is let in.
    port
        The port to listen on; 0 chooses a free one.
    latency
        Real seconds before every answer of the API.
    clock
        A `Clock()` stands still until `advance`; None means real time.
    time_scale
        How much faster than real time jobs progress and URLs expire; without `clock` only.
    requests_per_minute
        Requests accepted in any window; None for no limit. Rejected requests count.
    window
        Length of the window in seconds: of real time, whatever the scale, or of a standing clock.
    max_in_flight
        GET requests answered at the same time; None for no limit.
    max_posts_in_flight
        The same for others.
    max_jobs
        Jobs started by a POST that may run at the same time, else the answer is 429; None for
        no limit. Of a workspace one resource export may run, else the answer is 403.
    retry_after
        What a 429 of the window says: True for whole seconds, False for nothing, `"text"` for
        a header that is not a number. A 429 for too many in flight never says anything.
    known_fields
        The `opt_fields` this Asana knows; None for those of Asana's documentation. A request
        for any other is answered with 400.
    url_lifetime
        Seconds for which a signed URL is good, rounded up to whole ones.
    export_rows
        Rows in an export file. A file is made at its first retrieval, in about 0.2 ms a row,
        during which nothing else is answered.
    changes
        `Asana-Change` headers to send with every answer of the API.

    Examples
    --------
    >>> with Sandbox(clock=Clock()) as asana:
    ...     asana.gids(3)
    ['1200000000000000', '1201000000000000', '1202000000000000']
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        token: str = "sandbox",  # noqa: S107
        port: int = 0,
        latency: float = 0.0,
        clock: Clock | None = None,
        time_scale: float = 1.0,
        requests_per_minute: int | None = None,
        window: float = 60.0,
        max_in_flight: int | None = None,
        max_posts_in_flight: int | None = 15,
        max_jobs: int | None = 5,
        retry_after: RetryAfter = True,
        known_fields: Iterable[str] | None = None,
        url_lifetime: float = 300.0,
        export_rows: int = 200,
        changes: Iterable[str] = (),
    ) -> None:
        self.token = token
        self._port = port
        self._clock = RunningClock(time_scale) if clock is None else clock
        self._exports = Exports(
            seed=seed, clock=self._clock, lifetime=url_lifetime, rows=export_rows
        )
        fields = Fields(known_fields)
        self._jobs = Jobs(seed, self._clock, fields.objects, self._exports.url)
        starts = Starts(self._jobs, self._clock, max_jobs)
        self._api = Api(token=token, fields=fields, jobs=self._jobs, starts=starts, changes=changes)
        limits = Limits(
            requests=requests_per_minute,
            window=window,
            reads=max_in_flight,
            writes=max_posts_in_flight,
            retry_after=retry_after,
        )
        self._site = Site(
            api=self._api,
            exports=self._exports,
            limits=limits,
            clock=self._clock,
            latency=latency,
        )
        self._server = Server(self._site)

    def start(self) -> Self:
        """Begin to listen, and let the clock run; once.

        Raises
        ------
        OSError
            If the port is taken.
        """
        if self._exports.origin:
            raise RuntimeError("the sandbox was started before: make another one")
        self._clock.begin()
        self._exports.origin = f"http://127.0.0.1:{self._server.start(self._port)}"
        return self

    def stop(self) -> None:
        """Drop all connections, close the port and end the thread; more than once is no harm."""
        self._server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Sandbox at {self._exports.origin or 'no port yet'}>"

    @property
    def base_url(self) -> str:
        """What stands for `https://app.asana.com/api/1.0`; there is none before `start`."""
        if not self._exports.origin:
            raise RuntimeError("the sandbox has no address yet: start it, or use it in a with")
        return f"{self._exports.origin}/api/1.0"

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables that lead a client here."""
        return {"ASANA_ACCESS_TOKEN": self.token, "ASANA_BASE_URL": self.base_url}

    def gids(self, n: int, kind: str | None = None, start: int = 0) -> list[str]:
        """Return gids of jobs; every seed has the same.

        Parameters
        ----------
        n
            How many.
        kind
            A `resource_subtype` such as `"graph_export_request"`; None for all in turn.
        start
            How many to pass over first.
        """
        return [gid_at(position, kind) for position in range(start, start + n)]

    def parents(self, n: int, kind: str = "project", start: int = 0) -> list[str]:
        """Return gids of what jobs can be started from; every seed has the same.

        Parameters
        ----------
        n
            How many.
        kind
            `"project"`, `"task"`, `"portfolio"`, `"team"`, `"goal"`, `"project_template"`,
            `"task_template"` or `"workspace"`.
        start
            How many to pass over first.
        """
        return [parent_at(position, kind) for position in range(start, start + n)]

    def advance(self, seconds: float) -> None:
        """Move a standing clock on."""
        with self._site.lock:
            self._clock.advance(seconds)

    def finish(self, *gids: str) -> None:
        """Let jobs succeed now, unless they ended before."""
        for gid in gids:
            self.progress(gid, status="succeeded")

    def progress(self, gid: str, *, status: Status = "in_progress") -> None:
        """Put a job into a state, where it stays."""
        with self._site.lock:
            self._jobs.force(gid, status)

    def answer(self, gid: str, status: int, message: str | None = None) -> None:
        """Answer requests for this job, or to start one from this parent, with an error.

        From now on; 200 takes it back.
        """
        with self._site.lock:
            self._api.refuse(gid, status, message)

    def record(self, gid: str, data: dict[str, Any]) -> None:
        """Serve this very record for a gid from now on, whatever it looks like.

        `opt_fields` select from it as from any other; keys this Asana has no name for always
        come along. Signed URLs for it come from `export_url`.
        """
        with self._site.lock:
            self._jobs.replace(gid, data)

    def export_url(self, gid: str, resource_type: Literal["graph_export", "export_request"]) -> str:
        """Return a URL, signed now, of an export file that any gid may have."""
        with self._site.lock:
            return self._exports.url(gid, resource_type)

    def republish(self, gid: str) -> None:
        """Change the content, and so the ETag, of a job's export files."""
        with self._site.lock:
            self._exports.republish(gid)

    def publish(self, gid: str, content: bytes) -> None:
        """Serve these very bytes as a job's export files from now on, whatever they are."""
        with self._site.lock:
            self._exports.publish(gid, content)

    def expire_export(self, gid: str) -> None:
        """Let a job's export files be gone, as Asana's are 30 days after their completion.

        The job's record has no URL any more, and a URL that lives yet leads to a 404.
        """
        with self._site.lock:
            self._exports.publish(gid, None)
            self._jobs.forget_url(gid)

    def fault(
        self,
        kind: FaultKind,
        *,
        times: int = 1,
        gid: str | None = None,
        status: int | None = None,
        seconds: float | None = None,
        bytes: int | None = None,  # noqa: A002
        location: str | None = None,
        where: Where = "api",
        method: str | None = None,
        early: bool = False,
    ) -> None:
        """Queue a fault for the next requests it fits; see `Fault` for what there is."""
        fault = Fault(
            kind=kind,
            times=times,
            gid=gid,
            status=status,
            seconds=seconds,
            bytes=bytes,
            location=location,
            where=where,
            method=method,
            early=early,
        )
        with self._site.lock:
            self._site.faults.add(fault)

    @property
    def stats(self) -> Stats:
        """The counters as they stand."""
        with self._site.lock:
            return self._site.counters.snapshot()

    @property
    def requests(self) -> list[SeenRequest]:
        """The last 10,000 requests, to the API and for export files, oldest first."""
        with self._site.lock:
            return list(self._site.counters.seen)

    def reset_stats(self) -> None:
        """Set all counters to zero and forget the requests; limits go on counting."""
        with self._site.lock:
            self._site.counters = Counters()
