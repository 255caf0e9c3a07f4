"""How long unfinished jobs will take, estimated from earlier ones in the ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import pandas as pd

from asana_jobs_pd._formatting import format_count, format_range
from asana_jobs_pd._http.client import Client, check_client
from asana_jobs_pd._http.default_client import known_base_url
from asana_jobs_pd._jobs.as_jobs import as_jobs
from asana_jobs_pd._jobs.frame import NEVER
from asana_jobs_pd._jobs.ledger import ledger_of
from asana_jobs_pd._jobs.ledger_file import Run
from asana_jobs_pd._jobs.schema import text_column
from asana_jobs_pd._jobs.states import is_finished
from asana_jobs_pd._public import public
from asana_jobs_pd.errors import LedgerError

MAX_RUNS = 20
"""The most runs in an estimate; the latest are used."""
_CREATED = ("new_graph_export.created_at", "new_resource_export.created_at", "source.requested_at")
_SECOND = 10**6


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long a job usually takes, in microseconds, and how many bytes its files have."""

    low: int
    high: int
    runs: int
    bytes: int | None
    same_parent: bool

    @property
    def text(self) -> str:
        """The estimate as text: ``usually 4 to 9 min (7 runs)``."""
        runs = format_count(self.runs, "run")
        of = "" if self.same_parent else " of this kind"
        return f"usually {format_range(self.low / _SECOND, self.high / _SECOND)} ({runs}{of})"


def estimate(runs: Sequence[Run], *, same_parent: bool = True) -> Estimate | None:
    """Return an estimate from earlier runs, the latest first; None if there are none.

    With ten runs or more, the shortest and the longest tenth are left out.
    """
    latest = runs[:MAX_RUNS]
    if not latest:
        return None
    outliers = len(latest) // 10
    times = sorted(run.took for run in latest)[outliers : len(latest) - outliers]
    sizes = [run.bytes for run in latest if run.bytes is not None]
    size = round(median(sizes)) if sizes else None
    return Estimate(times[0], times[-1], len(latest), size, same_parent)


@public
def estimate_asana_jobs(jobs: pd.DataFrame, *, client: Client | None = None) -> pd.DataFrame:
    """Estimate how long unfinished jobs will take, from earlier ones that this machine has seen.

    Uses the latest 20 jobs in the ledger of the same kind and parent that succeeded, or if there
    are none, those of the same kind; see `recent_jobs`. Makes no request.

    Parameters
    ----------
    jobs
        A frame of jobs. Their parents are in ``source.gid``, or in the ledger.
    client
        Use only jobs of this client's Asana server. None takes the client of the last `connect` or
        read; if there is none, jobs of all servers are used.

    Returns
    -------
    pandas.DataFrame
        One row per unfinished job, with the index of `jobs`: ``gid``, unless the index has it;
        ``eta.text``, such as ``"usually 4 to 9 min (7 runs)"``; ``eta.low`` and ``eta.high``, how
        long such jobs took (``timedelta64[us]``), with ten jobs or more without the shortest and
        the longest tenth; ``eta.earliest`` and ``eta.latest``, when the job should be finished,
        counted from its creation (``datetime64[us, UTC]``); ``eta.runs`` and ``eta.bytes``
        (``Int64``), the number of earlier jobs and the median size of their downloaded files.
        Without earlier jobs, or without a ledger, these are missing.

    Raises
    ------
    LedgerError
        If the ledger cannot be read.
    InvalidFrameError
        If `jobs` is not a frame of jobs.

    See Also
    --------
    recent_jobs : The jobs that this machine has seen.

    Examples
    --------
    >>> import asana_jobs_pd as aj
    >>> jobs = aj.export_graph("1203…")  # doctest: +SKIP
    >>> jobs.asana.eta()["eta.text"][0]  # doctest: +SKIP
    'usually 4 to 9 min (7 runs)'
    """
    estimates, chosen = _estimated(jobs, client)
    estimates = estimates.set_axis(jobs.index[chosen])
    return estimates.drop(columns="gid") if "gid" in jobs.index.names else estimates


def usual_times(jobs: pd.DataFrame, client: Client | None = None) -> dict[str, str]:
    """Return the `Estimate.text` of the unfinished jobs that have an estimate, by gid."""
    try:
        texts = _estimated(jobs, client)[0].dropna(subset="eta.text")
    except LedgerError:  # reads and writes of jobs warn about it
        return {}
    return dict(zip(texts["gid"], texts["eta.text"], strict=True))


def _estimated(jobs: pd.DataFrame, client: Client | None) -> tuple[pd.DataFrame, np.ndarray]:
    """Return one row per unfinished job, and a mask of their rows in `jobs`."""
    check_client(client)
    frame = as_jobs(jobs, verified=True)
    chosen = frame["gid"].notna().to_numpy(bool) & ~is_finished(frame)
    rows = frame[chosen]
    base_url = known_base_url(client)
    gids = rows["gid"].tolist()
    with ledger_of(client) as file:
        origins, runs = file.origins(gids, base_url), file.runs(base_url)
    of_ledger = [origins.get(gid, (None, None, None)) for gid in gids]
    kinds = _filled(rows, "resource_subtype", [subtype for subtype, _, _ in of_ledger])
    parents = _filled(rows, "source.gid", [source for _, source, _ in of_ledger])
    created = [NEVER if at is None else at for _, _, at in of_ledger]
    return _frame(rows, _estimates(kinds, parents, runs), created), chosen


def _filled(rows: pd.DataFrame, name: str, others: list[str | None]) -> list[str | None]:
    if name not in rows.columns:
        return others
    pairs = zip(rows[name].isna(), rows[name], others, strict=True)
    return [other if missing else own for missing, own, other in pairs]


def _estimates(
    kinds: Sequence[str | None], parents: Sequence[str | None], runs: Sequence[Run]
) -> list[Estimate | None]:
    of_kind: defaultdict[object, list[Run]] = defaultdict(list)
    of_parent: defaultdict[object, list[Run]] = defaultdict(list)
    for run in runs:
        if run.subtype:
            of_kind[run.subtype].append(run)
        if run.subtype and run.source:
            of_parent[run.subtype, run.source].append(run)
    return [
        estimate(of_parent[kind, parent]) or estimate(of_kind[kind], same_parent=False)
        for kind, parent in zip(kinds, parents, strict=True)
    ]


def _frame(
    rows: pd.DataFrame, estimates: Sequence[Estimate | None], created: Sequence[int]
) -> pd.DataFrame:
    def column(name: str, missing: object = None) -> list[object]:
        return [missing if each is None else getattr(each, name) for each in estimates]

    times = np.array(created, "int64").view("M8[us]")
    began = pd.Series(pd.DatetimeIndex(times, tz="UTC"), rows.index)
    for name in _CREATED:
        if name in rows.columns:
            began = rows[name].fillna(began)
    low, high = (
        pd.Series(np.array(column(name, "NaT"), "m8[us]"), rows.index) for name in ("low", "high")
    )
    data = {
        "gid": rows["gid"],
        "eta.text": pd.Series(text_column(column("text")), rows.index),
        "eta.low": low,
        "eta.high": high,
        "eta.earliest": began + low,
        "eta.latest": began + high,
        "eta.runs": pd.Series(column("runs"), rows.index, "Int64"),
        "eta.bytes": pd.Series(column("bytes"), rows.index, "Int64"),
    }
    return pd.DataFrame(data)
