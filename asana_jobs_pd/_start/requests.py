"""A call that starts jobs: its options, the requests for its parents, the frame of results."""

from __future__ import annotations

import hashlib
import inspect
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict, TypeVar, get_args

import numpy as np
import orjson
import pandas as pd

from asana_jobs_pd._http.client import Client, check_client
from asana_jobs_pd._jobs.frame import NEVER, ReadResult, frame_of_results
from asana_jobs_pd._jobs.gids import Urls, asana_path, parse_gids
from asana_jobs_pd._jobs.schema import EVERYTHING
from asana_jobs_pd._options import check_flag, check_one_of, is_seconds
from asana_jobs_pd._progress import check_progress
from asana_jobs_pd._start.endpoints import Endpoint, check_text
from asana_jobs_pd.errors import InvalidOptionError
from asana_jobs_pd.typing import Gids, ProgressCallback, StartErrors, StartState

F = TypeVar("F", bound=Callable[..., pd.DataFrame])


class StartOptions(TypedDict, total=False):
    """The options of all functions that start jobs.

    Parameters
    ----------
    dry_run
        Whether to return the requests without sending them.
    timeout
        Seconds after which nothing more is started; None continues until all jobs are started,
        however long other jobs take.
    stop
        An event; once another thread sets it, nothing more is started.
    errors
        What to do with parents whose job was not started. ``"coerce"``: their rows say why, and
        an `AsanaStartWarning` says how many there are. ``"raise"``: all others are started first,
        then a `PartialStartError` carries the frame.
    client
        The client to use; None takes the one of the last `connect`, else the environment's.
    progress
        Whether to show a bar. None shows it after a second, unless ``ASANA_JOBS_PROGRESS=0``. A
        callable gets ``(done, total, what)`` instead, as in `read_asana_jobs`.
    """

    dry_run: bool
    timeout: float | None
    stop: threading.Event | None
    errors: StartErrors
    client: Client | None
    progress: bool | ProgressCallback | None


_DEFAULTS: dict[str, Any] = {"dry_run": False, "errors": "coerce"}
_RETURNS = """\

Returns
-------
pandas.DataFrame
    The jobs, one row per parent; `export_graph` describes the columns and the errors.
"""


def with_start_options(function: F) -> F:
    """Add the shared options, which are written only once, to a signature and docstring."""
    signature = inspect.signature(function)
    *own, _ = signature.parameters.values()
    shared = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=_DEFAULTS.get(name),
            annotation=getattr(annotation, "__forward_arg__", annotation),
        )
        for name, annotation in StartOptions.__annotations__.items()
    ]
    signature = signature.replace(parameters=[*own, *shared])
    function.__signature__ = signature  # type: ignore[attr-defined]
    if function.__doc__ and StartOptions.__doc__:  # there are no docstrings with python -OO
        doc = inspect.cleandoc(function.__doc__)
        text = inspect.cleandoc(StartOptions.__doc__).partition("----------\n")[2]
        end = doc.index("\n\n", doc.index("Parameters\n"))
        returns = "" if "Returns\n" in doc else _RETURNS
        function.__doc__ = f"{doc[:end]}\n{text}\n{returns}{doc[end + 1 :]}\n"
    return function


def check_options(name: str, options: StartOptions) -> None:
    """Raise for unknown options and invalid values."""
    for option, value in options.items():
        match option:
            case "dry_run":
                check_flag(option, value)
            case "progress":
                check_progress(value)
            case "client":
                check_client(value)
            case "errors":
                check_one_of(option, value, get_args(StartErrors))
            case "timeout":
                if value is not None and not is_seconds(value):
                    raise InvalidOptionError(f"timeout={value!r}: give seconds, or None.")
            case "stop":
                if value is not None and not isinstance(value, threading.Event):
                    kind = type(value).__name__
                    raise InvalidOptionError(f"stop is a {kind}; give a threading.Event.")
            case _:
                raise TypeError(f"{name}() got an unexpected keyword argument {option!r}")


@dataclass(frozen=True, slots=True)
class StartRequest:
    """One POST that starts one job; `body` is the JSON that is sent."""

    endpoint: Endpoint
    gid: str
    body: bytes

    @property
    def path(self) -> str:
        """The path of the URL."""
        return self.endpoint.path.format(gid=self.gid)

    @property
    def subject(self) -> str:
        """What error messages call the parent."""
        parents = self.endpoint.parents
        return parents[0].capitalize() if len(parents) == 1 else "Parent"

    @property
    def fingerprint(self) -> str:
        """A hash by which the ledger recognizes the same request."""
        return hashlib.sha256(self.path.encode() + b"\0" + self.body).hexdigest()


@dataclass(slots=True)
class StartResult:
    """The outcome of one request: its state, when it was sent by Asana's clock, and the job."""

    state: StartState = "not_sent"
    requested_at: int = NEVER
    job: ReadResult = field(default_factory=ReadResult)


def plan_requests(
    endpoint: Endpoint, gids: Sequence[str], options: Mapping[str, Any]
) -> list[StartRequest]:
    """Return the request for each parent, in their order.

    Options that are None, or an empty list or dict, are left out. ``name`` may be one for all, or
    a list with one for each parent; with a list, a single parent gets one request per name.
    """
    for option in endpoint.options:
        if option.required and options.get(option.name) is None:
            raise InvalidOptionError(f"{endpoint.name} needs {option.name}.")
    names, parents = _names(options.get("name"), gids)
    given = {
        option.name: option.check(option.name, value)
        for option in endpoint.options
        if (value := options.get(option.name)) is not None and option.name != "name"
    }
    _check_schedule(given)
    rest = {key: value for key, value in given.items() if value not in ("", [], {})}
    requests = []
    for gid, name in zip(parents, names, strict=True):
        data = {endpoint.member: gid} if endpoint.member else {}
        data |= {} if name is None else {"name": name}
        requests.append(StartRequest(endpoint, gid, orjson.dumps({"data": {**data, **rest}})))
    return requests


def requests_frame(requests: Sequence[StartRequest]) -> pd.DataFrame:
    """Return the requests that would be sent, one per row."""
    columns = {
        "source.gid": [request.gid for request in requests],
        "source.action": [request.endpoint.name for request in requests],
        "request.method": ["POST"] * len(requests),
        "request.path": [request.path for request in requests],
        "request.body": [request.body.decode() for request in requests],
    }
    return pd.DataFrame({name: pd.Series(cells, dtype="string") for name, cells in columns.items()})


def started_frame(requests: Sequence[StartRequest], results: Sequence[StartResult]) -> pd.DataFrame:
    """Return one row per request: the columns of a read, and the source of each job."""
    jobs = [result.job for result in results]
    frame = frame_of_results([job.record.get("gid") for job in jobs], jobs, EVERYTHING)
    columns: dict[str, Sequence[str]] = {
        "source.gid": [request.gid for request in requests],
        "source.action": [request.endpoint.name for request in requests],
        "source.state": [result.state for result in results],
    }
    for name, texts in columns.items():
        frame[name] = pd.Series(texts, dtype=frame["gid"].dtype)
    times = np.array([result.requested_at for result in results], "int64").view("M8[us]")
    frame["source.requested_at"] = pd.DatetimeIndex(times, tz="UTC")
    return frame


def _names(value: object, gids: Sequence[str]) -> tuple[list[str | None], Sequence[str]]:
    if value is None:
        return [None] * len(gids), gids
    if isinstance(value, str) or not isinstance(value, Iterable):
        return [check_text("name", value)] * len(gids), gids
    names: list[str | None] = [
        check_text(f"name[{position}]", name) for position, name in enumerate(value)
    ]
    parents = list(gids) * len(names) if len(gids) == 1 else gids
    if len(names) != len(parents):
        raise InvalidOptionError(
            f"name has {len(names)} names for {len(gids)} gids: give one for all, or one for each."
        )
    return names, parents


def _check_schedule(given: Mapping[str, Any]) -> None:
    if "schedule_dates" in given and "task_dates" not in given.get("include", "").split(","):
        raise InvalidOptionError(
            "schedule_dates shifts the dates of tasks: add 'task_dates' to include."
        )


def parse_parents(endpoint: Endpoint, parents: Gids) -> list[str]:
    """Return the gids of parents, which may be given as gids or as URLs of the web app."""
    *rest, last = endpoint.parents
    needed = f"{', '.join(rest)} or {last}" if rest else last

    def gid(url: str) -> str | None:
        kinds, found = _object_in(url)
        return found if set(kinds) & set(endpoint.parents) else None

    def advice(url: str) -> str:
        kinds, _ = _object_in(url)
        if kinds:
            return f"That is the URL of a {' or '.join(kinds)}; {endpoint.name} needs a {needed}."
        return f"That URL cannot be read here; {endpoint.name} needs the gid or URL of a {needed}."

    return parse_gids(parents, urls=Urls(gid, advice))


_KINDS: dict[str, tuple[str, ...]] = {
    "goal": ("goal",),
    "item": ("task",),
    "job": ("job",),
    "portfolio": ("portfolio",),
    "profile": ("user",),
    "project": ("project",),
    "project_template": ("project template",),
    "resource": ("portfolio", "team"),
    "section": ("section",),
    "subtask": ("task",),
    "tag": ("tag",),
    "task": ("task",),
    "task_template": ("task template",),
    "team": ("team",),
    "user": ("user",),
    "workspace": ("workspace",),
}
"""Objects by the words in Asana's URLs; permalinks of portfolios and teams say "resource"."""
_GID = "[1-9][0-9]{0,99}"
_PATHS: tuple[tuple[str, str], ...] = (
    (rf"0/(?P<gid>{_GID})(/(?P=gid))?(/(?!projects)[a-z_]+(/.*)?)?", "project"),
    (rf"0/(0|{_GID})/(?P<gid>{_GID})(/.*)?", "task"),
    (rf"0/(home|inbox|search)/{_GID}/(?P<gid>{_GID})(/.*)?", "task"),
    (rf"0/home/(?P<gid>{_GID})", "workspace"),
    (rf"0/(?!goals/{_GID}/)(?P<word>[a-z_]+)/(?P<gid>{_GID})(/[a-z_]+(/.*)?)?", ""),
    (rf"api/[0-9.]+/(?P<word>[a-z_]+)/(?P<gid>{_GID})", ""),
    (rf"admin/(?P<gid>{_GID})(/.*)?", "workspace"),
)
"""URL paths and the word for what they show. ``/0/goals/…/list`` has the gid of a team."""
_DETAILS = re.compile(
    "board|calendar|comment|dashboard|files|gantt|list|members|messages|note|overview|progress|story"
    "|timeline|workflow|workload"
)
"""Words that may have their own gid, although the URL shows the object before them."""

_NOTHING: tuple[tuple[str, ...], str | None] = (), None


def _object_in(url: str) -> tuple[tuple[str, ...], str | None]:
    """Return the kinds of object that an Asana URL may show, and its gid; neither if in doubt."""
    path = asana_path(url).replace("-", "_")
    if path.startswith("1/"):
        return _object_in_new_path(path.split("/")[1:])
    for pattern, word in _PATHS:
        if found := re.fullmatch(pattern, path):
            kinds = _kinds(word or found["word"])
            return (kinds, found["gid"]) if kinds else _NOTHING
    return _NOTHING


def _object_in_new_path(parts: Sequence[str]) -> tuple[tuple[str, ...], str | None]:
    """Parse what follows ``/1``: a workspace, then words, some of them with a gid."""
    shown = _NOTHING
    word = "workspace"
    for part in parts:
        if not re.fullmatch(_GID, part):
            word = part
            continue
        if kinds := _kinds(word):
            shown = kinds, part
        elif not _DETAILS.fullmatch(word):
            shown = _NOTHING
        word = ""
    return shown if re.fullmatch(_GID, parts[0]) else _NOTHING


def _kinds(word: str) -> tuple[str, ...]:
    return _KINDS.get(word) or _KINDS.get(word.removesuffix("s"), ())
