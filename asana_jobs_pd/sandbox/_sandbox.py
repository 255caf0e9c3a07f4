"""The `Sandbox` itself: its options, and how it starts and stops."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Self

from ._api import Api, Fields
from ._clock import Clock, RunningClock
from ._controls import Controls
from ._exports import Exports
from ._jobs import Jobs, gid_at
from ._server import Server
from ._site import Limits, RetryAfter, Site
from ._starts import Starts, parent_at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._responses import Lane


class Sandbox(Controls):
    """A mock Asana server on 127.0.0.1, with jobs that progress and export files.

    It serves `GET /jobs/{gid}`, the POSTs that start jobs, and the signed URLs of export files.
    Every job and every file is a function of the seed, the gid and the clock. Graph exports of
    portfolios and teams are cached for 4 hours. All methods are thread-safe and take effect at
    once.

    Parameters
    ----------
    seed
        The seed of all names, durations, outcomes and rows.
    token
        The accepted access token, until `expire_token`.
    port
        The port to listen on; 0 picks a free one.
    latency
        Real seconds before each API response.
    clock
        A `Clock()` that stands still until `advance` is called; None for real time.
    time_scale
        How many times faster than real time jobs progress and URLs expire; ignored with `clock`.
    requests_per_minute
        How many requests are accepted per window; None for no limit. Rejected requests count.
    window
        The length of the window in seconds of real time, whatever the scale, or of a given clock.
    max_in_flight
        How many GET requests are served concurrently; None for no limit.
    max_posts_in_flight
        The same for other methods.
    max_jobs
        How many jobs started by a POST may run concurrently, else the response is 429; None for
        no limit. One resource export may run per workspace, else the response is 403.
    retry_after
        The `Retry-After` header of a 429 from the rate limit: True for whole seconds, False for
        no header, `"text"` for a value that is not a number. A 429 for too many requests in
        flight never has one.
    known_fields
        The accepted `opt_fields`; None for those that Asana documents. A request for any other
        gets a 400.
    url_lifetime
        Seconds until a signed URL expires, rounded up.
    export_rows
        The number of rows in an export file, and of tasks in the workspace, which is the same for
        all jobs. A resource export that was started here has all tasks that match its `filters`,
        with its `fields`; a graph export has the contents of its project, portfolio or team. A
        file is generated when it is first requested, at about 0.3 ms per row, and nothing else
        is served meanwhile.
    weeks
        How many weeks have passed, as with `next_week`.
    hidden
        The share of projects that the user of the token cannot see: exports leave them out, and
        what is only in them; links to them remain.
    field_gids
        Whether custom fields of graph exports have gids; Asana does not document it.
    changes
        `Asana-Change` headers to send with every API response.

    See Also
    --------
    testing.MockTransport : Responses without a server.

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
        weeks: int = 0,
        hidden: float = 0.0,
        field_gids: bool = True,
        changes: Iterable[str] = (),
    ) -> None:
        self.token = token
        self._tokens = (f"{token}-{number}" for number in count(2))
        self._port = port
        clock = RunningClock(time_scale) if clock is None else clock
        world = {"hidden": hidden, "field_gids": field_gids}
        exports = Exports(seed, clock, url_lifetime, export_rows, weeks, **world)
        fields = Fields(known_fields)
        jobs = Jobs(seed, clock, fields.objects, exports.url)
        starts = Starts(jobs, exports, max_jobs)
        api = Api(token, fields, jobs, starts, changes)
        in_flight: dict[Lane, int | None] = {"reads": max_in_flight, "writes": max_posts_in_flight}
        limits = Limits(requests_per_minute, window, in_flight, retry_after)
        self._site = Site(api, exports, limits, clock, latency)
        self._server = Server(self._site)

    def start(self) -> Self:
        """Start listening, and start the clock; call it once.

        Returns
        -------
        Sandbox
            The sandbox itself.

        Raises
        ------
        OSError
            If the port is taken.

        See Also
        --------
        Sandbox.stop : Stop it; ``with`` does both.

        Examples
        --------
        >>> other = Sandbox().start()
        >>> other.stop()
        """
        if self._site.exports.origin:
            raise RuntimeError("the sandbox was started before; create a new one")
        self._site.clock.begin()
        self._site.exports.origin = f"http://127.0.0.1:{self._server.start(self._port)}"
        return self

    def stop(self) -> None:
        """Drop all connections, close the port and end the thread. May be called again.

        See Also
        --------
        Sandbox.start : Start listening.

        Examples
        --------
        >>> other = Sandbox().start()
        >>> other.stop()
        """
        self._server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Sandbox {self._site.exports.origin or '(not started)'}>"

    @property
    def base_url(self) -> str:
        """The URL to use instead of `https://app.asana.com/api/1.0`; available after `start`.

        See Also
        --------
        connect : Pass the URL as ``base_url``.

        Examples
        --------
        >>> client = aj.connect(asana.token, base_url=asana.base_url)
        """
        if not self._site.exports.origin:
            raise RuntimeError(
                "the sandbox has no address yet; start it, or use it in a with statement"
            )
        return f"{self._site.exports.origin}/api/1.0"

    @property
    def environ(self) -> dict[str, str]:
        """Environment variables that point a client at this server.

        See Also
        --------
        Sandbox.base_url : The URL alone.

        Examples
        --------
        >>> sorted(asana.environ)
        ['ASANA_ACCESS_TOKEN', 'ASANA_BASE_URL']
        """
        return {"ASANA_ACCESS_TOKEN": self.token, "ASANA_BASE_URL": self.base_url}

    def gids(self, n: int, kind: str | None = None, start: int = 0) -> list[str]:
        """Return gids of jobs; they are the same for every seed.

        Parameters
        ----------
        n
            How many.
        kind
            A `resource_subtype` such as `"graph_export_request"`; None cycles through all.
        start
            How many to skip.

        Returns
        -------
        list of str
            The gids.

        See Also
        --------
        Sandbox.parents : Objects to start jobs from.

        Examples
        --------
        >>> asana.gids(2, "graph_export_request")
        ['1203000000000000', '1203000000000001']
        """
        return [gid_at(position, kind) for position in range(start, start + n)]

    def parents(self, n: int, kind: str = "project", start: int = 0) -> list[str]:
        """Return gids of objects to start jobs from; they are the same for every seed.

        Parameters
        ----------
        n
            How many.
        kind
            `"project"`, `"task"`, `"portfolio"`, `"team"`, `"goal"`, `"project_template"`,
            `"task_template"` or `"workspace"`.
        start
            How many to skip.

        Returns
        -------
        list of str
            The gids.

        See Also
        --------
        Sandbox.gids : Jobs that already exist.

        Examples
        --------
        >>> project = asana.parents(1, "project")[0]
        """
        return [parent_at(position, kind) for position in range(start, start + n)]
